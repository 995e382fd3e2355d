local typedefs = require "kong.db.schema.typedefs"

return {
  name = "mcp-internal",
  fields = {
    { protocols = typedefs.protocols_http },
    { consumer = typedefs.no_consumer },
    { config = { type = "record", fields = {} } },
  },
}
