#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Captures of packets, replayed: see tests/replay.
exec "$(dirname "$0")/../replay/run" "$@"
