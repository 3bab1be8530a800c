"""Python 파일 읽기 예제.

이 프로젝트에서 파일을 읽는 방법을 한곳에 모았다. 새 코드를 쓸 때는 여기 있는 함수를
그대로 쓰거나 같은 모양을 따른다. 원칙은 셋이다.

1. 경로는 문자열이 아니라 pathlib.Path로 다룬다.
2. 인코딩은 언제나 적는다. 적지 않으면 컴퓨터마다 결과가 다르다.
3. 큰 파일은 통째로 읽지 않는다. 기준은 8 MiB(MAX_WHOLE_FILE)이다.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

MAX_WHOLE_FILE = 8 * 1024 * 1024


class FileTooLarge(Exception):
    """통째로 읽기에는 너무 큰 파일일 때 던진다."""


def read_whole(path: Path) -> str:
    """텍스트 파일 전체를 한 번에 읽는다. 설정 파일처럼 작은 파일에 쓴다."""
    size = path.stat().st_size
    if size > MAX_WHOLE_FILE:
        raise FileTooLarge(f"{path.name}: {size}바이트, read_lines()를 쓰세요")
    return path.read_text(encoding="utf-8")


def read_lines(path: Path) -> Iterator[str]:
    """한 줄씩 읽는다. with 문이 끝나면 파일은 저절로 닫힌다."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield line.rstrip("\n")


def read_json_lines(path: Path) -> Iterator[dict]:
    """JSON Lines 파일을 읽는다. 빈 줄은 건너뛰고, 깨진 줄은 줄 번호를 알려 준다."""
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path.name} {number}번째 줄이 JSON이 아닙니다") from error


def read_blocks(path: Path, block_size: int = 65_536) -> Iterator[bytes]:
    """이진 파일을 덩어리로 읽는다. 해시를 구하거나 복사할 때 쓴다."""
    with path.open("rb") as file:
        while block := file.read(block_size):
            yield block


def read_tail(path: Path, count: int = 10) -> list[str]:
    """마지막 몇 줄만 돌려준다. 로그를 볼 때 쓴다."""
    return list(deque(read_lines(path), maxlen=count))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("사용법: python read_files.py 파일")
    for text in read_tail(Path(sys.argv[1])):
        print(text)
