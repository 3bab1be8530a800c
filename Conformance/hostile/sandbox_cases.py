"""Programs that try to get out of the sandbox, or to take more than it gives. Each prints ESCAPED if it got what it wanted.

A case: name, tool, program, what must hold: `limit` that ends it, `out` text in its output, `status` of its exit.
"""

PY, SH = "execute_python", "execute_bash"


def wants(expression, prelude=""):
    """A Python program that tries an expression; an error, or something empty, is what is hoped for."""
    return f"{prelude}\ntry:\n    got = {expression}\nexcept BaseException as e:\n    got = None\n    print('refused', type(e).__name__, e)\nif got: print('ESCAPED', got)\n"


SYSCALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(n, *a):
    r = libc.syscall(n, *a)
    if r == -1: raise OSError(ctypes.get_errno(), 'refused')
    return ('done', r)
"""
NET = "import socket\ndef to(family, kind, address):\n    s = socket.socket(family, kind); s.settimeout(2); s.connect(address); return 'connected'\n"
OS = "import os, pathlib\n"

CASES = [
    # What belongs to others.
    ("the stack's keys", PY, wants("[p for p in pathlib.Path('{data}').rglob('*')]", OS), {}),
    ("the admin key by name", PY, wants("open('{data}/secrets/admin.key').read()"), {}),
    ("the audit log", PY, wants("open('{data}/sqlite/security.db','rb').read(16)"), {}),
    ("the canary", PY, wants("open('{outside}/canary').read()"), {}),
    ("the canary by the first process", PY, wants("open('/proc/1/root{outside}/canary').read()"), {}),
    ("the canary by a working folder", PY, wants("open('/proc/1/cwd/../../../../..{outside}/canary').read()"), {}),
    ("passwords of the system", SH, "cat /etc/shadow && echo ESCAPED", {}),
    ("names of the system's users", SH, "grep -v sandbox /etc/passwd && echo ESCAPED", {}),
    ("homes", SH, "ls /home/* /root/* 2>/dev/null | grep . && echo ESCAPED", {}),
    ("ssh keys", SH, "cat /root/.ssh/* /home/*/.ssh/* ~/.ssh/* 2>/dev/null | grep . && echo ESCAPED", {}),
    ("other folders of the machine", SH, "ls / | grep -vxE 'bin|dev|etc|lib|lib32|lib64|libx32|proc|sbin|tmp|usr|{top}' && echo ESCAPED", {}),
    ("a container engine", SH, "ls /var/run/docker.sock /run/docker.sock /run/containerd 2>/dev/null && echo ESCAPED", {}),
    ("devices", SH, "for d in /dev/mem /dev/kmem /dev/sda /dev/vda /dev/kmsg /dev/kvm /dev/fuse; do [ -e $d ] && echo ESCAPED $d; done; true", {}),
    ("making a device", SH, "mknod /tmp/disk b 254 0 && echo ESCAPED", {}),
    ("open descriptors", PY, wants("[os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if int(n) > 3]", OS), {}),
    ("descriptors of the first process", SH, "ls -l /proc/1/fd/ | grep -E '/(work|tmp|root|home)' && echo ESCAPED", {}),
    ("a folder's descriptor that leads out", PY, wants("[os.listdir(os.open('..', os.O_RDONLY, dir_fd=n)) for n in range(3, 20)]", OS), {}),
    ("variables of the server", SH, "env | grep -vE '^(PWD|GIT_CONFIG_)' | grep -iE 'key|token|secret|password|maru' && echo ESCAPED", {}),
    ("variables of the first process", SH, "tr '\\0' '\\n' </proc/1/environ | grep -iE 'maru|key' && echo ESCAPED", {}),
    ("kernel memory", SH, "head -c1 /proc/kcore && echo ESCAPED", {}),
    # What can be changed.
    ("writing a program of the system", SH, "echo x >/usr/bin/zz && echo ESCAPED", {}),
    ("replacing the shell", SH, "cp /bin/true /bin/sh && echo ESCAPED", {}),
    ("writing at the root", SH, "mkdir /new && echo ESCAPED", {}),
    ("writing into devices' folder", SH, "touch /dev/new && echo ESCAPED", {}),
    ("writing the workspace", SH, "echo x >'{root}/readme.txt' && echo ESCAPED", {}),
    ("making a file in the workspace", SH, "touch '{root}/new' && echo ESCAPED", {}),
    ("removing the workspace", SH, "rm -rf '{root}'; test -e '{root}/readme.txt' || echo ESCAPED", {}),
    ("mounting it to be written", SH, "mount -o remount,rw '{root}' && echo ESCAPED", {}),
    ("a secret of the workspace", SH, "cat '{root}/.env' && echo ESCAPED", {}),
    ("a secret in a folder", SH, "cat '{root}/deep/er/id_rsa' && echo ESCAPED", {}),
    ("a folder of secrets", SH, "ls -A '{root}/.ssh' | grep . && echo ESCAPED", {}),
    ("a secret under another name", SH, "cat '{root}/notes.txt' && echo ESCAPED", {}),
    ("a link that leads out", SH, "cat '{root}/link' && echo ESCAPED", {}),
    ("a secret that is a link", SH, "cat '{root}/linked/.env' && echo ESCAPED", {}),
    ("a secret beside a name that is no text", SH, "cat '{root}'/odd/*/.env && echo ESCAPED", {}),
    ("a service's socket in the workspace", PY, wants("to(socket.AF_UNIX, socket.SOCK_STREAM, '{root}/service.sock')", NET), {}),
    ("a pipe in the workspace", SH, "timeout 3 sh -c \"echo out > '{root}/pipe'\" && echo ESCAPED", {}),
    ("git's own settings", SH, "cat '{root}/.git/config' && echo ESCAPED", {}),
    ("what surrounds the workspace", SH, "ls '{root}/..' | grep -vx '{name}' && echo ESCAPED", {}),
    ("kernel settings", SH, "echo '|/tmp/x' >/proc/sys/kernel/core_pattern && echo ESCAPED", {}),
    ("magic keys", SH, "echo b >/proc/sysrq-trigger && echo ESCAPED", {}),
    ("caches", SH, "echo 3 >/proc/sys/vm/drop_caches && echo ESCAPED", {}),
    ("control groups", SH, "find /sys/fs/cgroup -name 'memory*' 2>/dev/null | grep . && echo ESCAPED", {}),
    # The net.
    ("the stack", PY, wants("to(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', {port}))", NET), {}),
    ("the stack by IPv6", PY, wants("to(socket.AF_INET6, socket.SOCK_STREAM, ('::1', {port}))", NET), {}),
    ("the internet", PY, wants("to(socket.AF_INET, socket.SOCK_STREAM, ('93.184.215.14', 80))", NET), {}),
    ("a name server", PY, wants("to(socket.AF_INET, socket.SOCK_DGRAM, ('8.8.8.8', 53))", NET), {}),
    ("a cloud's metadata", PY, wants("to(socket.AF_INET, socket.SOCK_STREAM, ('169.254.169.254', 80))", NET), {}),
    ("names", PY, wants("socket.getaddrinfo('example.com', 80)", NET), {}),
    ("packets", PY, wants("socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", NET), {}),
    ("raw IP", PY, wants("socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", NET), {}),
    ("netlink", PY, wants("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", NET), {}),
    ("the machine's hypervisor", PY, wants("to(40, socket.SOCK_STREAM, (2, 1024))", NET), {}),
    ("the kernel's ciphers", PY, wants("socket.socket(38, socket.SOCK_SEQPACKET)", NET), {}),
    ("an abstract socket", PY, wants("to(socket.AF_UNIX, socket.SOCK_STREAM, chr(0) + '{abstract}')", NET), {}),
    ("curl", SH, "curl -m 3 -s http://127.0.0.1:{port}/livez && echo ESCAPED", {}),
    ("bash's own sockets", SH, "echo >/dev/tcp/127.0.0.1/{port} && echo ESCAPED", {}),
    ("interfaces", SH, "grep -vE 'lo:|face|Inter' /proc/net/dev && echo ESCAPED", {}),
    # Other processes and the kernel.
    ("processes of the machine", SH, "[ $(ls /proc | grep -c '^[0-9]') -gt 6 ] && echo ESCAPED", {}),
    ("killing all", PY, wants("os.kill(-1, 9)", OS) + "print('alive')", {}),
    ("killing the server", PY, wants("os.kill({pid}, 9) or 'killed'", OS), {}),
    ("ptrace", PY, wants("call(101, 16, 1, 0, 0)", SYSCALL), {}),
    ("memory of others", PY, wants("call(310, 1, 0, 0, 0, 0, 0)", SYSCALL), {}),
    ("a namespace with rights", SH, "unshare -Ur id && echo ESCAPED", {}),
    ("clone with a namespace", PY, wants("call(56, 0x10000000 | 17, 0, 0, 0, 0)", SYSCALL), {}),
    ("clone3", PY, wants("call(435, ctypes.create_string_buffer(64), 64)", SYSCALL), {}),
    ("another's namespace", SH, "nsenter -t 1 -m ls && echo ESCAPED", {}),
    ("mount", SH, "mount -t tmpfs none /tmp && echo ESCAPED", {}),
    ("chroot", SH, "chroot /tmp /bin/true && echo ESCAPED", {}),
    ("pivot_root", PY, wants("call(155, b'/tmp', b'/tmp')", SYSCALL), {}),
    ("keys of the user", PY, wants("call(250, 0, -4, 0, 0, 0)", SYSCALL), {}),
    ("bpf", PY, wants("call(321, 0, 0, 0)", SYSCALL), {}),
    ("io_uring", PY, wants("call(425, 8, ctypes.create_string_buffer(256))", SYSCALL), {}),
    ("userfaultfd", PY, wants("call(323, 0)", SYSCALL), {}),
    ("perf", PY, wants("call(298, ctypes.create_string_buffer(128), 0, -1, -1, 0)", SYSCALL), {}),
    ("handles of files", PY, wants("call(304, -1, ctypes.create_string_buffer(64), 0)", SYSCALL), {}),
    ("modules", PY, wants("call(175, 0, 0, b'')", SYSCALL), {}),
    ("the clock", SH, "date -s 2001-01-01 && echo ESCAPED", {}),
    ("the machine's name", SH, "hostname evil && echo ESCAPED", {}),
    ("other numbers of calls", PY, wants("call(0x40000000 | 39)", SYSCALL), {"status": 159}),
    ("root by setuid", PY, wants("os.setuid(0) or 'root'", OS), {}),
    ("root by sudo", SH, "sudo -n id && echo ESCAPED; su -c id </dev/null && echo ESCAPED; true", {}),
    ("a setuid program of its own", SH, "cp /bin/id /tmp/id && chmod 4755 /tmp/id && /tmp/id | grep euid && echo ESCAPED", {}),
    ("typing for a terminal", PY, wants("__import__('fcntl').ioctl(0, 0x5412, b'x') == 0"), {}),
    ("the terminal", SH, "exec 3<>/dev/tty && echo ESCAPED", {}),
    ("scheduling before others", PY, wants("os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)) or 'done'", OS), {}),
    ("more than its limits", PY, wants("__import__('resource').setrlimit(7, (100000, 100000)) or 'raised'"), {}),
    # More than it is given.
    ("a fork bomb", SH, ":(){ :|:& };:; wait; echo over", {}),
    ("a fork bomb in Python", PY, "import os\nwhile True: os.fork()\n", {"failed": True}),
    ("threads without end", PY, "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n", {"failed": True}),
    ("ten gigabytes", PY, "b = []\nwhile True: b.append(bytearray(64 << 20))\n", {"failed": True}),
    ("gigabytes by children", PY, "import os\nfor _ in range(3): os.fork()\nb = []\nwhile True: b.append(os.urandom(8 << 20))\n", {"failed": True}),
    ("gigabytes in files of memory", SH, "for i in $(seq 100); do head -c 10000000 /dev/zero >/tmp/$i || break; done; du -sm /tmp | awk '$1 > 300 {print \"ESCAPED\"}'", {}),
    ("gigabytes in shared memory", SH, "for i in $(seq 100); do head -c 10000000 /dev/zero >/dev/shm/$i || break; done; du -sm /dev/shm | awk '$1 > 300 {print \"ESCAPED\"}'", {}),
    ("a huge file", SH, "head -c 100000000 /dev/zero >/tmp/x; [ $(stat -c %s /tmp/x) -gt 10485760 ] && echo ESCAPED", {}),
    ("a huge file by truncation", SH, "truncate -s 1T /tmp/x && echo ESCAPED", {}),
    ("processes that cannot be made", PY, "import os\nwhile os.fork() or True: pass\n", {"limit": ["processes", "memory", "cpu", "time"]}),
    ("memory of nobody", PY, wants("os.memfd_create('x')", OS), {}),
    ("endless output", SH, "yes", {"limit": "output"}),
    ("endless errors", SH, "yes >&2", {"limit": "output"}),
    ("endless work", PY, "while True: pass", {"limit": ["time", "cpu"], "seconds": 2}),
    ("endless sleep", SH, "sleep 1000", {"limit": "time", "seconds": 1, "status": 124}),
    ("who does not hear signals", SH, "trap '' TERM INT HUP XCPU; while :; do :; done", {"limit": ["time", "cpu"], "seconds": 2}),
    ("who leaves its session", SH, "setsid sleep 1111 & setsid nohup sleep 1111 & sleep 1000", {"limit": "time", "seconds": 1}),
    ("who goes on in the background", SH, "setsid sleep 1112 >/dev/null 2>&1 & echo gone", {"out": "gone"}),
    ("who holds its output open", SH, "(sleep 1113 &) ; echo done", {"out": "done"}),
    ("characters that no text has", SH, "printf '\\377\\376\\000abc'", {"status": 0}),
    ("commands for a terminal", SH, "printf '\\033]0;x\\007\\033[2J'", {"status": 0}),
    ("a core file", SH, "kill -SEGV $$", {"status": 139}),
]
