#include "CVersion.h"

// Defined by Package.swift from the checkout.
#ifndef MARU_COMMIT
#define MARU_COMMIT "unknown"
#endif

const char *maru_commit(void) { return MARU_COMMIT; }
