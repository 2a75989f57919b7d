"""What is asked of a model besides the task: general ability, disturbances, kinds of requests, confidence."""
