# SPDX-License-Identifier: Apache-2.0
"""The end-to-end harness: processes, sondes, real servers and clients, exact comparison."""
