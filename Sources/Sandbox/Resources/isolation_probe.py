# Tries to get out of the sandbox it runs in. Prints one JSON object: for each kind of isolation what was reached, empty when nothing was.
# Arguments: a file that must be out of reach, and a TCP port of 127.0.0.1 that somebody outside listens at.
import ctypes, json, os, socket, sys

canary, port = sys.argv[1], int(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
syscall = libc.syscall
syscall.restype = ctypes.c_long
number = {
    "x86_64": dict(ptrace=101, keyctl=250, add_key=248, mount=165, umount2=166, unshare=272, setns=308, bpf=321, userfaultfd=323,
                   perf_event_open=298, init_module=175, process_vm_readv=310, kexec_load=246),
    "aarch64": dict(ptrace=117, keyctl=219, add_key=217, mount=40, umount2=39, unshare=97, setns=268, bpf=280, userfaultfd=282,
                    perf_event_open=241, init_module=105, process_vm_readv=270, kexec_load=104),
}[os.uname().machine]
reached = {}


def attempt(kind, what, action):
    """Notes that an action succeeded; an error is what is hoped for."""
    reached.setdefault(kind, [])
    try:
        result = action()
    except (OSError, ValueError):
        return
    if result is not None:
        reached[kind].append(f"{what}: {str(result)[:80]}")


def call(which, *arguments):
    def action():
        ctypes.set_errno(0)
        result = syscall(number.get(which, which), *arguments)
        if result == -1:
            raise OSError(ctypes.get_errno(), which)
        return result
    return action


def read(path, count=64):
    def action():
        with open(path, "rb") as file:
            return file.read(count) or None
    return action


def write(path):
    def action():
        with open(path, "w") as file:
            file.write("x")
        return "written"
    return action


def connect(family, kind, address):
    def action():
        with socket.socket(family, kind) as s:
            s.settimeout(2)
            s.connect(address)
            if kind == socket.SOCK_DGRAM:
                s.send(b"x")
            return "connected"
    return action


attempt("network", "this machine", connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port)))
attempt("network", "the internet", connect(socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 80)))
attempt("network", "a name server", connect(socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.1", 53)))
attempt("network", "IPv6", connect(socket.AF_INET6, socket.SOCK_STREAM, ("2001:db8::1", 80)))
attempt("network", "interfaces", lambda: [n for n in os.listdir("/sys/class/net") if n != "lo"] or None)
attempt("network", "routes", lambda: open("/proc/net/route").read().split("\n")[1] or None)
for family in ("AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG"):
    if hasattr(socket, family):
        attempt("network", family, lambda: socket.socket(getattr(socket, family), socket.SOCK_RAW if family != "AF_ALG" else socket.SOCK_SEQPACKET))

attempt("files", "the canary", read(canary))
for path in ("/etc/shadow", "/etc/ssh/ssh_host_rsa_key", "/root/.bashrc", "/proc/1/root" + canary, "/proc/self/root/../.." + canary, "/proc/kcore",
             "/dev/mem", "/dev/sda", "/dev/vda", "/dev/kmsg", "/sys/kernel/debug", "/run/docker.sock", "/var/run/docker.sock"):
    attempt("files", path, read(path))
attempt("files", "/home", lambda: os.listdir("/home") or None)
attempt("files", "/root", lambda: os.listdir("/root") or None)
for fd in os.listdir("/proc/self/fd"):
    if int(fd) > 2:
        attempt("files", f"descriptor {fd}", lambda: (lambda t: None if t.startswith("/proc/") else t)(os.readlink(f"/proc/self/fd/{fd}")))
attempt("files", "a descriptor of the first process", lambda: [n for n in os.listdir("/proc/1/fd") if int(n) > 2] and os.listdir("/proc/1/fd/3"))
for path in ("/x", "/usr/x", "/usr/bin/x", "/etc/x", "/dev/x", "/proc/x", "/sys/x", "/bin/sh"):
    attempt("writing", path, write(path))
for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches", "/proc/self/uid_map", "/proc/1/oom_score_adj"):
    attempt("proc", path, write(path))

pids = [int(n) for n in os.listdir("/proc") if n.isdigit()]
attempt("processes", "others are seen", lambda: len(pids) if len(pids) > 4 else None)
attempt("processes", "parent", lambda: os.getppid() if os.getppid() > 1 else None)
for pid in range(2, 400):
    if pid not in pids:
        attempt("processes", f"signal to {pid}", lambda: os.kill(pid, 0) or "delivered")
attempt("ptrace", "attach to the first process", call("ptrace", 16, 1, 0, 0))
attempt("ptrace", "be traced", call("ptrace", 0, 0, 0, 0))
attempt("ptrace", "read memory of the first process", call("process_vm_readv", 1, 0, 0, 0, 0, 0))
attempt("keys", "the user's keyring", call("keyctl", 0, -4, 0, 0, 0))
attempt("keys", "a new key", call("add_key", b"user", b"maru", b"x", 1, -3))
attempt("mounts", "tmpfs", call("mount", b"none", b"/tmp", b"tmpfs", 0, 0))
attempt("mounts", "the root anew", call("mount", b"none", b"/", 0, 32, 0))
attempt("mounts", "unmount", call("umount2", b"/usr", 2))
attempt("mounts", "chroot", lambda: os.chroot("/tmp") or "done")
for flag, what in ((0x10000000, "user"), (0x00020000, "mount"), (0x40000000, "network"), (0x20000000, "process")):
    attempt("namespaces", f"a new {what} namespace", call("unshare", flag))
attempt("namespaces", "the first process's", lambda: call("setns", os.open("/proc/1/ns/mnt", os.O_RDONLY), 0)())
attempt("namespaces", "clone with a new user", call({"x86_64": 56, "aarch64": 220}[os.uname().machine], 0x10000000 | 17, 0, 0, 0, 0))
for which in ("bpf", "userfaultfd", "perf_event_open", "init_module", "kexec_load"):
    attempt("kernel", which, call(which, 0, 0, 0, 0, 0))
attempt("kernel", "no filter of calls", lambda: None if "Seccomp:\t2" in open("/proc/self/status").read() else "missing")
attempt("network", "a socket of the Unix family", lambda: socket.socket(socket.AF_UNIX))
attempt("kernel", "io_uring", call(425, 8, ctypes.create_string_buffer(256)))
attempt("identity", "root", lambda: os.setuid(0) or "set")
attempt("identity", "is root", lambda: "uid 0" if 0 in (os.getuid(), os.geteuid()) else None)
attempt("identity", "groups", lambda: [g for g in os.getgroups() if g not in (1000, 65534)] or None)
caps = [line.split()[1] for line in open("/proc/self/status") if line.startswith(("CapEff", "CapPrm", "CapBnd", "CapAmb"))]
attempt("identity", "capabilities", lambda: caps if any(int(c, 16) for c in caps) else None)
attempt("identity", "new privileges", lambda: None if "NoNewPrivs:\t1" in open("/proc/self/status").read() else "may be gained")
allowed = {"PATH", "HOME", "TMPDIR", "LANG", "USER", "PYTHONDONTWRITEBYTECODE", "PWD", "SHLVL", "OLDPWD", "_", "LC_CTYPE",
           "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0", "GIT_CONFIG_VALUE_0"}
attempt("environment", "variables", lambda: sorted(set(os.environ) - allowed) or None)
attempt("terminal", "typing", lambda: __import__("fcntl").ioctl(0, 0x5412, b"x"))
attempt("terminal", "the terminal", lambda: open("/dev/tty") and "opened")
print(json.dumps(reached))
