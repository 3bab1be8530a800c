#include "include/clinux.h"

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#else
#define NATIVE AUDIT_ARCH_AARCH64
#endif

// Numbers that older headers do not have; they are the same on all architectures.
#define OPEN_TREE 428
#define MOVE_MOUNT 429
#define FSOPEN 430
#define FSCONFIG 431
#define FSMOUNT 432
#define FSPICK 433
#define CLONE3 435
#define MOUNT_SETATTR 442

// What a program that only computes never needs, and what holes in kernels have been reached through: other processes, keys, mounts,
// namespaces, modules, clocks, programs for the kernel (bpf, io_uring, userfaultfd, perf), memory that belongs to no process.
static const unsigned int refused[] = {
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, 438 /* pidfd_getfd */, 440 /* process_madvise */,
    SYS_keyctl, SYS_add_key, SYS_request_key,
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, OPEN_TREE, MOVE_MOUNT, FSOPEN, FSCONFIG, FSMOUNT, FSPICK, MOUNT_SETATTR,
    SYS_unshare, SYS_setns,
    SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, 425 /* io_uring_setup */, 426, 427,
    SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
    SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_fanotify_init, SYS_fanotify_mark, SYS_quotactl, SYS_acct, SYS_swapon, SYS_swapoff,
    SYS_reboot, SYS_syslog, SYS_vhangup, SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime, SYS_sethostname,
    SYS_setdomainname, SYS_shmget, SYS_memfd_create, SYS_mbind, SYS_migrate_pages, SYS_move_pages, SYS_lookup_dcookie,
#ifdef __x86_64__
    SYS_iopl, SYS_ioperm, SYS_modify_ldt, SYS_uselib, SYS_ustat, SYS_sysfs, SYS__sysctl, SYS_create_module, SYS_get_kernel_syms,
    SYS_query_module,
#endif
};

static const unsigned int new_namespaces =
    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

struct program {
    struct sock_filter *at;
    size_t room, length;
};

static void put(struct program *p, unsigned short code, unsigned int k, unsigned char yes, unsigned char no) {
    if (p->length < p->room) p->at[p->length] = (struct sock_filter){code, yes, no, k};
    p->length++;
}

static void load(struct program *p, size_t offset) { put(p, BPF_LD | BPF_W | BPF_ABS, (unsigned int)offset, 0, 0); }
static void answer(struct program *p, unsigned int action) { put(p, BPF_RET | BPF_K, action, 0, 0); }
static void when_equal(struct program *p, unsigned int value, unsigned char yes, unsigned char no) {
    put(p, BPF_JMP | BPF_JEQ | BPF_K, value, yes, no);
}

#define FAIL(error) (SECCOMP_RET_ERRNO | ((error) & SECCOMP_RET_DATA))
// The low half of an argument; both architectures are little endian.
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + 8 * (n))

size_t clinux_sandbox_filter(void *filter, size_t capacity) {
    struct program program = {filter, capacity / sizeof(struct sock_filter), 0}, *p = &program;

    // Calls of another architecture have other numbers: they would slip through.
    load(p, offsetof(struct seccomp_data, arch));
    when_equal(p, NATIVE, 1, 0);
    answer(p, SECCOMP_RET_KILL_PROCESS);
    load(p, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    put(p, BPF_JMP | BPF_JGE | BPF_K, 0x40000000 /* x32 */, 0, 1);
    answer(p, SECCOMP_RET_KILL_PROCESS);
#endif
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        when_equal(p, refused[i], 0, 1);
        answer(p, FAIL(EPERM));
    }
    // Its flags lie in memory that a filter cannot read; libraries go on with clone(2) when it is not there.
    when_equal(p, CLONE3, 0, 1);
    answer(p, FAIL(ENOSYS));

    when_equal(p, SYS_clone, 0, 4);
    load(p, ARGUMENT(0));
    put(p, BPF_JMP | BPF_JSET | BPF_K, new_namespaces, 0, 1);
    answer(p, FAIL(EPERM));
    answer(p, SECCOMP_RET_ALLOW);

    // Of all families of sockets those that programs use among themselves: not netlink, packets, vsock, alg, bluetooth. One of the Unix
    // family could be connected to a service that has its name in a folder that is seen; as a pair it leads nowhere.
    for (int pair = 0; pair < 2; pair++) {
        when_equal(p, pair ? SYS_socketpair : SYS_socket, 0, 6);
        load(p, ARGUMENT(0));
        when_equal(p, AF_UNIX, pair ? 3 : 2, 0);
        when_equal(p, AF_INET, 2, 0);
        when_equal(p, AF_INET6, 1, 0);
        answer(p, FAIL(EAFNOSUPPORT));
        answer(p, SECCOMP_RET_ALLOW);
    }

    // Putting characters into a terminal's input is typing for the one who sits at it.
    when_equal(p, SYS_ioctl, 0, 5);
    load(p, ARGUMENT(1));
    when_equal(p, TIOCSTI, 1, 0);
    when_equal(p, 0x541C /* TIOCLINUX */, 0, 1);
    answer(p, FAIL(EPERM));
    answer(p, SECCOMP_RET_ALLOW);

    // Personalities turn protections of memory off.
    when_equal(p, SYS_personality, 0, 5);
    load(p, ARGUMENT(0));
    when_equal(p, 0, 2, 0);
    when_equal(p, 0xffffffff, 1, 0);
    answer(p, FAIL(EPERM));
    answer(p, SECCOMP_RET_ALLOW);

    answer(p, SECCOMP_RET_ALLOW);
    return program.length <= program.room ? program.length * sizeof(struct sock_filter) : 0;
}
#else
size_t clinux_sandbox_filter(void *filter, size_t capacity) {
    (void)filter, (void)capacity;
    return 0;
}
#endif
