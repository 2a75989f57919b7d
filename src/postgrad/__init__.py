"""postgrad: bring examples; leave with a specialised model that is proven better, or with proof that you do not need
one."""

__version__ = "0.1.0"
