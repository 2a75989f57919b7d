"""The chapters of the story that `lifecycle.run` tells: each binds one stage's functions to the recipe and the store.

Doors all: a chapter may import every stage, and no stage imports a chapter.
"""
