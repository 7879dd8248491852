"""python -m vae.datasets.faces draws the pictures that are shipped, after a change of the code."""

from .load import write_shipped

if __name__ == "__main__":
    print(write_shipped("test"))
