// Calls of the Linux kernel that Swift cannot make itself: variadic, or with structures that its headers hide.
#ifndef CLINUX_H
#define CLINUX_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Opens `path` below the folder `dirfd`; fails with EXDEV where it would leave it, and with ELOOP at magic links.
/// See openat2(2), RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS.
///
/// Returns a descriptor, or -1 with errno set; ENOSYS where the kernel has no openat2 (before 5.6, and on other systems).
int clinux_open_beneath(int dirfd, const char *path, int flags, unsigned int mode);

/// Writes the system call filter of sandboxed programs, as seccomp(2) takes it, for this processor.
///
/// Returns its length in bytes; 0 where there is none for this system, or `capacity` does not suffice.
size_t clinux_sandbox_filter(void *filter, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
