-- The schema of mcp-guard, as the plugin server's description has it: there is no second one.
local ok, schema = require("kong.runloop.plugin_servers").load_schema("mcp-guard")
assert(ok, "the short way is another way to the plugin server: leave mcp-guard in pluginserver_names")
return schema
