#!/usr/bin/env bash
# Phase 1: the machine. A thin door: the checks live in Sources/Operations/EnvironmentChecks.swift.
exec "$(dirname "$0")/../maru" env "$@"
