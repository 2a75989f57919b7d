"""Steps: the paragraphs that workflows are made of; each binds one stage's functions to the settings and the store. A
step may import every stage; no stage imports a step."""
