-- mcp-internal in Lua: opens an upstream for what the sidecar signed, and to all else is an unknown route. It is the plugin of
-- plugins/mcp-internal.py, and reads the same word (mcp_core.errand), for a Kong that loads plugins in Lua: a list is cheaper by it.
-- Its keys are those of KONG_MCP_KEYS, which nginx_main_env hands on to the workers. See spec/decisions/141.

local base64 = require "ngx.base64"
local cjson = require "cjson.safe"
local ring = require "kong.plugins.mcp-answers.ring"

local kong, ngx = kong, ngx
local find, match = string.find, string.match

local QUERY = "^[%w._~%%=&-]*$"
local PURPOSE = "kong-mcp errand 1"
local WORD = "^1%.([%w_-]+)%.([%w_-]+)$"
local LONGEST = 30 -- seconds that a word may still hold: no clock of ours makes it more

-- Before every plugin that looks at who calls: on this route nobody else has business, and there is no consumer.
local Internal = { PRIORITY = 2600, VERSION = "0.2.0" }
local keys = {}

function Internal:init_worker()
  keys = ring.read(PURPOSE)
  if #keys == 0 then
    kong.log.err("KONG_MCP_KEYS has no key, or one that is none: the internal route stays closed (see nginx_main_env)")
  end
end

local function signed(payload, mac)
  return ring.signed(keys, payload, base64.decode_base64url(mac) or "") and cjson.decode(base64.decode_base64url(payload) or "") or nil
end

-- What the word says, where it is good for the request at hand.
local function errand()
  local payload, mac = match(ngx.var.http_mcp_gateway_target or "", WORD)
  local said = payload and signed(payload, mac)
  if type(said) ~= "table" or type(said.target) ~= "table" or said.asked ~= match(ngx.var.request or "", "^(.*) [^ ]*$") then
    return nil
  end
  local upstream, scheme, path, query = said.target[1], said.target[2], said.target[3], said.target[4]
  local now = ngx.now()
  if type(upstream) ~= "string" or (scheme ~= "http" and scheme ~= "https") or type(path) ~= "string"
    or not find(path, "^/[!-~]*$") or find(path, "[?#]")
    or query ~= nil and not (type(query) == "string" and find(query, QUERY)) or type(said.affinity) ~= "string" or type(said.expires) ~= "number"
    or said.expires < now or said.expires > now + LONGEST then
    return nil
  end
  return said
end

function Internal:access()
  local said = errand()
  if not said then
    kong.service.request.clear_header("Mcp-Gateway-Target") -- an expired word is a good one to whoever reads logs
    kong.log.set_serialize_value("mcp", { format = 1, hop = "internal", outcome = "unsigned", reason = "unsigned" })
    return kong.response.error(404, "no Route matched with those values")
  end
  local ok, err = kong.service.set_upstream(said.target[1])
  if not ok then kong.log.err(err) end -- and the service stays closed
  kong.service.request.set_scheme(said.target[2])
  kong.service.request.set_path(said.target[3])
  if said.target[4] then
    kong.service.request.set_raw_query(said.target[4])
    -- It may be a secret, and log plugins write both down.
    kong.log.set_serialize_value("request.querystring", {})
    kong.log.set_serialize_value("upstream_uri", said.target[3])
  end
  ngx.req.clear_header("Mcp-Gateway-Target")
  ngx.req.set_header("Mcp-Affinity", said.affinity)
end

-- nginx takes a 1xx for the answer, and what is no HTTP for an answer of HTTP/0.9 (status 9 here). It passes on what comes then
-- without a frame around it: that could be whole answers to what the sidecar asks next by the same connection, which so ends.
function Internal:header_filter()
  if ngx.status < 200 then error("mcp-internal: a server answered with the status " .. ngx.status) end
end

return Internal
