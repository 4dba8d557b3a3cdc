"""What each kind of fault means and what to do about it, in both languages: for operators, beside the decoder's own detail, which is for engineers."""

from __future__ import annotations

from hub.bilingual import Text
from hub.model import FaultKind

MEANING: dict[FaultKind, Text] = {
    FaultKind.FRAME: Text("No message was found in these bytes; something else may be talking to this port.", "这些字节中没有可识别的报文；可能有其他设备或程序连到了此端口。"),
    FaultKind.OVERSIZE: Text("It is longer than the limit and was not read.", "报文超过长度上限，未读取。"),
    FaultKind.TRUNCATED: Text("The message ends before its own length says; the connection may be bad.", "报文比自身声明的长度短；可能是通信链路不良。"),
    FaultKind.CHECKSUM: Text("Its checksum is wrong: it was damaged on its way. The device usually sends it again.", "校验码不符：报文在传输中受损。设备通常会重发。"),
    FaultKind.SYNTAX: Text("It does not follow its protocol; ask whoever maintains the device.", "内容不符合协议；请联系设备维护单位。"),
    FaultKind.UNSUPPORTED: Text("It is of a type, version or edition that the hub does not read.", "报文的类型或版本不在支持范围内。"),
    FaultKind.ENCRYPTED: Text("It is encrypted and the hub has no key for it.", "报文已加密，中枢没有对应密钥。"),
    FaultKind.INCOMPLETE: Text("A part of a message in several parts never came.", "分包报文缺少一部分，始终未收到。"),
    FaultKind.UNKNOWN_DEVICE: Text("The device is not in the registry. Admit it or refuse it.", "设备未登记。请接纳或拒绝。"),
    FaultKind.UNAUTHORISED: Text("The sender did not prove who it is, or may not speak for this device.", "发送方未通过身份验证，或无权代表此设备上报。"),
    FaultKind.UNKNOWN_METRIC: Text("The vocabulary has no metric of this name; the other values were kept.", "词汇表中没有此指标；其余数值已保留。"),
    FaultKind.VALUE: Text("The value cannot be: no number, or outside what is possible. Check the instrument.", "数值无效：不是数字，或超出可能范围。请检查仪器。"),
    FaultKind.TIME: Text("Its time is missing, unreadable or years off. Set the device's clock.", "时间缺失、无法读取或严重偏离。请校准设备时钟。"),
    FaultKind.POSITION: Text("Its position cannot be, or is that of a receiver without a fix; it was left out.", "位置无效，或定位未成功；位置已舍弃。"),
    FaultKind.RATE: Text("The device or connection sends more than it may.", "设备或连接的上报速率超出限制。"),
    FaultKind.LOOP: Text("Another hub passed on what had been here before, or had passed too many hubs.", "其他中枢转发的内容曾经过此处，或转发次数过多。"),
}  # fmt: skip
