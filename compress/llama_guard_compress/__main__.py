# SPDX-License-Identifier: Apache-2.0
"""`python -m llama_guard_compress`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
