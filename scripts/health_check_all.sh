#!/usr/bin/env bash
# Phase 2: the services. A thin door: the checks live in Sources/Operations/StackChecks.swift.
exec "$(dirname "$0")/../maru" health "$@"
