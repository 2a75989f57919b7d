"""Raw text as a task: how well a way of going on foretells text, and whose voice it goes on in."""
