"""`python -m numfmt` is `nfmt`."""

from .cli import main

if __name__ == "__main__":
    main()
