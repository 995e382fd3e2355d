"""kong.client, kong.ip and kong.router. Source: kong/pdk/client.lua, ip.lua, router.lua (Kong 3.9.1)."""

from collections.abc import Mapping
from typing import Any

from kong_devkit.exchange import Exchange, PdkError
from kong_devkit.pdk.table import ACCESS, AFTER_AUTH, ANY, LIVE, pdk


@pdk("client.get_ip", "Empty", "String", LIVE)
@pdk("client.get_forwarded_ip", "Empty", "String", LIVE)
def _ip(exchange: Exchange) -> str:
    return exchange.remote[0]


@pdk("client.get_port", "Empty", "Int", LIVE)
@pdk("client.get_forwarded_port", "Empty", "Int", LIVE)
def _port(exchange: Exchange) -> int:
    return exchange.remote[1]


@pdk("client.get_credential", "Empty", "Credential", AFTER_AUTH)
def _credential(exchange: Exchange) -> dict[str, Any] | None:
    if exchange.credential is None:
        return None
    return {"id": exchange.credential.get("id"), "consumer_id": exchange.credential.get("consumer_id")}


@pdk("client.load_consumer", "ConsumerSpec", "Consumer", AFTER_AUTH)
def _load_consumer(exchange: Exchange, wanted: str, by_username: bool) -> Mapping[str, Any] | None:  # noqa: FBT001 - wire
    found = exchange.runtime.consumers.get(wanted)
    if found is None and by_username:
        found = exchange.runtime.usernames.get(wanted)
    if found is None and not by_username and "-" not in wanted:
        raise PdkError("cannot load a consumer with an id that is not a uuid")
    return found


@pdk("client.get_consumer", "Empty", "Consumer", AFTER_AUTH)
def _consumer(exchange: Exchange) -> Mapping[str, Any] | None:
    return exchange.consumer


@pdk("client.authenticate", "AuthenticateArgs", "Empty", ACCESS)
def _authenticate(exchange: Exchange, consumer: dict[str, Any] | None, credential: dict[str, Any] | None) -> None:
    if consumer is None and credential is None:
        raise PdkError("either credential or consumer must be provided")
    exchange.consumer, exchange.credential = consumer, credential


@pdk("client.get_protocol", "Bool", "String", AFTER_AUTH - {"log"})
def _protocol(exchange: Exchange, _allow_terminated: bool) -> str | None:  # noqa: FBT001 - the wire's
    protocols = exchange.route["protocols"] if exchange.route else None
    if protocols is None:
        return None
    return str(protocols[0]) if len(protocols) == 1 else "http"


@pdk("ip.is_trusted", "String", "Bool", ANY)
def _is_trusted(_exchange: Exchange, _ip: str) -> bool:
    return False


@pdk("router.get_route", "Empty", "Route", AFTER_AUTH)
def _route(exchange: Exchange) -> Mapping[str, Any] | None:
    return exchange.route


@pdk("router.get_service", "Empty", "Service", AFTER_AUTH)
def _service(exchange: Exchange) -> Mapping[str, Any] | None:
    return exchange.service
