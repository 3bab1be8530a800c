#ifndef CVERSION_H
#define CVERSION_H

/// The commit this build was made from, or "unknown" outside a git checkout.
const char *maru_commit(void);

#endif
