#include "include/clinux.h"

#include <errno.h>

#ifdef __linux__
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

int clinux_open_beneath(int dirfd, const char *path, int flags, unsigned int mode) {
    struct open_how how = {.flags = (unsigned long long)(unsigned int)flags, .mode = mode, .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}
#else
int clinux_open_beneath(int dirfd, const char *path, int flags, unsigned int mode) {
    (void)dirfd, (void)path, (void)flags, (void)mode;
    errno = ENOSYS;
    return -1;
}
#endif
