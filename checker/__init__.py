"""bgsafe: will the next fork() of this Redis be refused, or get it killed?"""

__version__ = "0.1.0"
