local typedefs = require "kong.db.schema.typedefs"

local function bytes(description)
  return { type = "integer", required = true, default = 8388608, between = { 1024, 67108864 }, description = description }
end

return {
  name = "mcp-answers",
  fields = {
    { protocols = typedefs.protocols_http },
    { consumer = typedefs.no_consumer },
    { config = {
        type = "record",
        fields = {
          { max_answer = bytes "Bytes of one JSON answer of an MCP server, which is held until it is whole; larger ones are cut." },
          { max_event = bytes "Bytes of one event on a stream of an MCP server; a stream with a larger one ends with an error." },
          { lean_records = { type = "boolean", required = true, default = false, description = "Whether the records of Kong's log plugins hold no headers, URIs, route or credential of requests to MCP servers." } },
        },
    } },
  },
}
