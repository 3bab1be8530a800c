"""A file system of a few megabytes that a test may fill."""

import subprocess


class SmallDisk:
    """Mounted on a stack's data folder. Needs root."""

    def __init__(self, folder, megabytes=24):
        self.folder = folder
        self.filler = folder / "filler"
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "maru-conformance", str(folder)], check=True, capture_output=True)

    def fill(self):
        """Takes every byte that is left."""
        with open(self.filler, "ab", buffering=0) as file:
            for size in (1 << 20, 4_096):
                try:
                    while file.write(bytes(size)):
                        pass
                except OSError:
                    continue

    def make_room(self):
        self.filler.unlink(missing_ok=True)

    def unmount(self):
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True, capture_output=True)
