# SPDX-License-Identifier: Apache-2.0
"""One module per family of cases; importing it registers them."""
