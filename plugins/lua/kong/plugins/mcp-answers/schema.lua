local typedefs = require "kong.db.schema.typedefs"

local function bytes(description)
  return { type = "integer", required = true, default = 8388608, between = { 1024, 67108864 }, description = description }
end

local token = { type = "string", required = true, referenceable = true, encrypted = true, description = "The sidecar's MCP_SIDECAR_COLLECTOR_TOKEN." }

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
          { collector = {
              type = "record",
              required = false, -- Kong takes a plugin's records for required
              description = "Where each request to an MCP server is told of; without it nobody is told.",
              fields = {
                { http_endpoint = typedefs.url { required = true, referenceable = true, description = "The sidecar's /collector." } },
                { token = token },
                { timeout = { type = "integer", required = true, default = 10000, between = { 1, 600000 }, description = "Milliseconds that the collector has for an answer." } },
                { queue = typedefs.queue },
              },
          } },
        },
    } },
  },
}
