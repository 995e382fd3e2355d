"""Serve kong-pdk plugins to Kong over its ProtoBuf:1 plugin protocol, and refuse whenever anything goes wrong."""
