"""What an error says to people, in English and in Chinese.

What the hub's own code raises is raised with a `Text`. What the system says is known by its number. Anything else (a library, a peer, a database) speaks
English only: in Chinese its words stand in quotation marks, which say that they are not the hub's own.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl

from hub.bilingual import Text, quoted

NO_ANSWER = Text("no answer in time", "未在限定时间内应答")
SYSTEM_ZH = {
    errno.ECONNREFUSED: "对方拒绝连接，该端口无人监听", errno.ECONNRESET: "连接被对方重置", errno.ECONNABORTED: "连接被中止", errno.EPIPE: "连接已被对方关闭", errno.ETIMEDOUT: "连接超时",
    errno.EHOSTUNREACH: "主机不可达", errno.ENETUNREACH: "网络不可达", errno.ENETDOWN: "网络已断开", errno.EHOSTDOWN: "主机已关机", errno.EADDRINUSE: "地址已被其他程序占用",
    errno.EADDRNOTAVAIL: "不是本机地址", errno.ENOSPC: "磁盘空间不足", errno.EDQUOT: "超出磁盘配额", errno.EROFS: "文件系统为只读", errno.EIO: "磁盘读写出错", errno.EACCES: "权限不足", errno.EPERM: "操作不被允许",
    errno.ENOENT: "文件或目录不存在", errno.EEXIST: "文件已存在", errno.EISDIR: "是目录而不是文件", errno.ENOTDIR: "不是目录", errno.ENODEV: "设备不存在", errno.ENXIO: "设备不存在", errno.EBUSY: "设备正被占用",
    errno.EMFILE: "打开的文件过多", errno.ENFILE: "系统打开的文件过多", errno.ENOMEM: "内存不足", errno.EFBIG: "文件过大",
}  # fmt: skip
"""What the system's numbers say, as operators write it."""
_NUMBERED = re.compile(r"\[Errno (-?\d+)\]")
_OF_LIBRARIES = ("Connect call failed", "could not open port", "Multiple exceptions")
"""How libraries begin what they make of the system's words."""


def words_of(error: BaseException) -> Text:
    """One error as a sentence: what the system says without its number, else `str(error)`, or its type where that is empty."""
    if error.args and isinstance(error.args[0], Text):
        return error.args[0]
    words = str(error)
    if isinstance(error, TimeoutError) and not words:
        return NO_ANSWER
    words = words or type(error).__name__
    if isinstance(error, ssl.SSLCertVerificationError):
        return Text(words, f"对方证书不受信任：{quoted(str(error.verify_message or words)).zh}")
    if isinstance(error, ssl.SSLError):
        return Text(words, f"TLS 连接失败：{quoted(words).zh}")
    return _system(error, words) or quoted(words)


def _system(error: BaseException, words: str) -> Text | None:
    """What the system says by its numbers, also where a library has wrapped it up ("[Errno 111] Connection refused"); None where there is no number of it.
    Several attempts (one for each address of a name) bring several."""
    own = error if isinstance(error, OSError) else None
    numbers = [own.errno] if own and own.errno is not None else [int(number) for number in _NUMBERED.findall(words)]
    if isinstance(error, socket.gaierror) or any(number < 0 for number in numbers):
        return Text(f"the host name cannot be resolved ({_NUMBERED.sub('', words).strip()})", "主机名无法解析")
    known = [number for number in dict.fromkeys(numbers) if number in SYSTEM_ZH]
    if not known or (own is None and not _NUMBERED.match(words)):
        return None
    sentence = str(own.strerror or "") if own else ""
    if not sentence or sentence.startswith(_OF_LIBRARIES):
        sentence = "; ".join(map(os.strerror, known))
    file = own.filename if own else None
    name, name_zh = (f" ({file})", f"（{file}）") if file else ("", "")
    return Text(sentence + name, "；".join(SYSTEM_ZH[number] for number in known) + name_zh)


def named(error: BaseException) -> Text:
    """As `words_of`, with the type in front: for what is a defect, or what a library raised."""
    name, said = type(error).__name__, words_of(error)
    return said if said.en == name else Text(f"{name}: {said.en}", f"{name}：{said.zh}")


def unreachable(place: str, error: Exception) -> Text:
    """Why nothing could be exchanged with a peer: libraries say "All connection attempts failed", and the system's reason lies beneath. `place`: the peer,
    as host and port."""
    found = _beneath(error)
    said = named(error) if found is None else words_of(found)
    return Text(f"{place} cannot be reached: {said.en}", f"无法连接 {place}：{said.zh}")


def _beneath(error: BaseException | None) -> OSError | None:
    """The system's error that it came of; None where it came of none."""
    seen = 0
    while error is not None and seen < _CAUSES_MAX:
        if isinstance(error, OSError) and (error.errno is not None or isinstance(error, ssl.SSLError)):
            return error
        error, seen = error.__cause__ or error.__context__, seen + 1
    return None


_CAUSES_MAX = 20


def of_system(error: OSError) -> Text:
    """What the system says of a file or a disk, without its number."""
    words = str(error.strerror or error)
    found = _system(error, words)
    return Text(words, found.zh if found else quoted(words).zh)
