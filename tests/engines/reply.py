"""A model that is a function of a module."""


def answer(prompt):
    return "yes" if "a" in prompt else "no"


answer.identity = "answer v1"
