"""The official SDK takes the fake Feishu for the real one.

Usage: test_sdk.py URL, where a fake Feishu with an open world listens.
"""

import json
import sys
import threading
import time
import urllib.request

import lark_oapi as lark
import lark_oapi.ws
from lark_oapi.api.contact.v3 import BatchGetIdUserRequest, BatchGetIdUserRequestBody
from lark_oapi.api.im.v1 import (
    CreateMessageRequest,
    CreateMessageRequestBody,
    Emoji,
    CreateMessageReactionRequest,
    CreateMessageReactionRequestBody,
    PatchMessageRequest,
    PatchMessageRequestBody,
    ReplyMessageRequest,
    ReplyMessageRequestBody,
    UrgentAppMessageRequest,
    UrgentPhoneMessageRequest,
    UrgentReceivers,
    UrgentSmsMessageRequest,
)
from lark_oapi.event.callback.model.p2_card_action_trigger import P2CardActionTriggerResponse
from lark_oapi.api.im.v2 import (
    BotTimeSentiveFeedCardRequest,
    BotTimeSentiveFeedCardRequestBody,
    PatchFeedCardRequest,
    PatchFeedCardRequestBody,
)

CHAT, LIN = "oc_sdk", "ou_lin"


def card(title: str, *more: dict) -> str:
    return json.dumps({
        "schema": "2.0",
        "config": {"update_multi": True, "summary": {"content": title}},
        "header": {"template": "red", "title": {"tag": "plain_text", "content": title}},
        "body": {"elements": [{"tag": "markdown", "content": "**down**"}, *more]},
    })


def good(answer):
    """The answer, if the SDK found it to be a success."""
    assert answer.success(), f"{answer.code} {answer.msg} (log id {answer.get_log_id()})"
    return answer


def state(url: str) -> dict:
    with urllib.request.urlopen(f"{url}/sandbox/state") as answer:
        return json.load(answer)


def control(url: str, method: str, path: str, body: dict | None = None) -> dict:
    request = urllib.request.Request(
        f"{url}/sandbox/{path}", method=method, data=json.dumps(body or {}).encode(),
        headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def eventually(what: str, so) -> None:
    """Looks until it is so."""
    until = time.monotonic() + 20
    while not so():
        assert time.monotonic() < until, f"waited 20 s in vain for: {what}"
        time.sleep(0.02)


def send_card(client: lark.Client) -> str:
    body = (CreateMessageRequestBody.builder().receive_id(CHAT).msg_type("interactive")
            .content(card("Disk full")).uuid("sdk-1").build())
    request = CreateMessageRequest.builder().receive_id_type("chat_id").request_body(body).build()
    first = good(client.im.v1.message.create(request)).data
    again = good(client.im.v1.message.create(request)).data
    assert first.message_id == again.message_id, "one uuid sends once"
    assert (first.chat_id, first.msg_type, first.sender.id_type) == (CHAT, "interactive", "app_id")
    return first.message_id


def edit_card(client: lark.Client, message: str) -> None:
    body = PatchMessageRequestBody.builder().content(card("Disk fine")).build()
    good(client.im.v1.message.patch(
        PatchMessageRequest.builder().message_id(message).request_body(body).build()))
    broken = PatchMessageRequestBody.builder().content("{").build()
    refused = client.im.v1.message.patch(
        PatchMessageRequest.builder().message_id(message).request_body(broken).build())
    assert refused.code == 230099 and "200621" in refused.msg, refused.msg
    assert refused.get_log_id(), "a refusal names its log id"


def reply(client: lark.Client, message: str) -> str:
    body = (ReplyMessageRequestBody.builder().msg_type("text")
            .content(json.dumps({"text": "[critical] Disk full"})).build())
    sent = good(client.im.v1.message.reply(
        ReplyMessageRequest.builder().message_id(message).request_body(body).build())).data
    assert (sent.parent_id, sent.root_id) == (message, message)
    return sent.message_id


def urge(client: lark.Client, message: str) -> None:
    people = UrgentReceivers.builder().user_id_list([LIN, "no such id"]).build()
    calls = [
        (UrgentAppMessageRequest, client.im.v1.message.urgent_app),
        (UrgentSmsMessageRequest, client.im.v1.message.urgent_sms),
        (UrgentPhoneMessageRequest, client.im.v1.message.urgent_phone),
    ]
    for request, call in calls:
        answer = good(call(request.builder().message_id(message).user_id_type("open_id")
                           .request_body(people).build()))
        assert answer.data.invalid_user_id_list == ["no such id"]


def pin(client: lark.Client) -> None:
    chat = PatchFeedCardRequestBody.builder().time_sensitive(True).user_ids([LIN, "nobody"]).build()
    answer = good(client.im.v2.feed_card.patch(
        PatchFeedCardRequest.builder().feed_card_id(CHAT).user_id_type("open_id").request_body(chat).build()))
    assert [failed.user_id for failed in answer.data.failed_user_reasons] == ["nobody"]
    bot = BotTimeSentiveFeedCardRequestBody.builder().time_sensitive(True).user_ids([LIN]).build()
    good(client.im.v2.feed_card.bot_time_sentive(
        BotTimeSentiveFeedCardRequest.builder().user_id_type("open_id").request_body(bot).build()))


def react(client: lark.Client, message: str) -> None:
    body = (CreateMessageReactionRequestBody.builder()
            .reaction_type(Emoji.builder().emoji_type("OnIt").build()).build())
    made = good(client.im.v1.message_reaction.create(
        CreateMessageReactionRequest.builder().message_id(message).request_body(body).build()))
    assert made.data.reaction_type.emoji_type == "OnIt"


def look_up(client: lark.Client) -> None:
    body = BatchGetIdUserRequestBody.builder().emails(["mara@example.com"]).build()
    found = good(client.contact.v3.user.batch_get_id(
        BatchGetIdUserRequest.builder().user_id_type("open_id").request_body(body).build()))
    assert [user.user_id for user in found.data.user_list] == ["ou_mara"]


def raw(client: lark.Client) -> None:
    """What the SDK has no typed call for."""
    request = (lark.BaseRequest.builder().http_method(lark.HttpMethod.GET).uri("/open-apis/bot/v3/info")
               .token_types({lark.AccessTokenType.TENANT}).build())
    bot = json.loads(good(client.request(request)).raw.content)["bot"]
    assert bot["activate_status"] == 2 and bot["open_id"].startswith("ou_")


def listen(url: str) -> tuple[list, list]:
    """Connects the SDK's own client of the long connection; what it will have heard."""
    said, pressed = [], []

    def press(event) -> P2CardActionTriggerResponse:
        pressed.append(event)
        return P2CardActionTriggerResponse({
            "toast": {"type": "success", "content": "yours", "i18n": {"zh_cn": "归你了", "en_us": "yours"}},
            "card": {"type": "raw", "data": json.loads(card("Lin has it"))},
        })

    handler = (lark.EventDispatcherHandler.builder("", "")
               .register_p2_im_message_receive_v1(said.append)
               .register_p2_card_action_trigger(press).build())
    # It logs addresses with their tickets, and the cut as an error.
    listener = lark.ws.Client("cli_sdk", "any", lark.LogLevel.CRITICAL, event_handler=handler, domain=url)
    threading.Thread(target=listener.start, daemon=True).start()
    eventually("the SDK to connect", lambda: state(url)["connections"] == 1)
    return said, pressed


def converse(client: lark.Client, url: str) -> None:
    """Events and callbacks over the long connection: whole, in parts, and after a cut."""
    said, pressed = listen(url)
    button = {"tag": "button", "text": {"tag": "plain_text", "content": "Ack"},
              "behaviors": [{"type": "callback", "value": {"do": "acknowledge"}}]}
    for turn, parts in enumerate([1, 3, 1], start=1):
        control(url, "POST", "connections/split", {"parts": parts})
        body = (CreateMessageRequestBody.builder().receive_id(CHAT).msg_type("interactive")
                .content(card("Disk full", button)).build())
        message = good(client.im.v1.message.create(
            CreateMessageRequest.builder().receive_id_type("chat_id").request_body(body).build())).data.message_id
        answer = control(url, "POST", "press", {"message": message, "person": LIN, "button": "acknowledge"})
        assert answer["ok"] and answer["toast"]["zh"] == "归你了", answer
        assert len(pressed) == turn
        event = pressed[-1].event
        assert (event.operator.open_id, event.context.open_message_id) == (LIN, message)
        assert event.action.value == {"do": "acknowledge"}
        shown = next(m for m in state(url)["messages"] if m["id"] == message)
        assert "Lin has it" in json.dumps(shown["revisions"][-1], ensure_ascii=False), shown

        control(url, "POST", "reply", {"chat": CHAT, "person": LIN, "parent": message, "text": f"认领 {turn}"})
        assert len(said) == turn, said
        assert json.loads(said[-1].event.message.content)["text"] == f"认领 {turn}"
        if turn == 2:
            assert control(url, "DELETE", "connections")["cut"] == 1
            eventually("the SDK to connect again", lambda: state(url)["connections"] == 1)


def main(url: str) -> None:
    client = lark.Client.builder().app_id("cli_sdk").app_secret("any").domain(url).build()
    before = state(url)["counters"]
    raw(client)
    message = send_card(client)
    edit_card(client, message)
    line = reply(client, message)
    urge(client, line)
    pin(client)
    react(client, message)
    look_up(client)
    after = state(url)["counters"]
    grown = {key: after[key] - before[key] for key in after}
    assert grown == {"messages": 2, "edits": 1, "app": 1, "sms": 1, "phone": 1, "pins": 2}, grown
    converse(client, url)
    print("the official SDK is content")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
