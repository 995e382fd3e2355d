-- mcp-internal in Lua: opens an upstream for what the sidecar signed, and to all else is an unknown route. It is the plugin of
-- plugins/mcp-internal.py, and reads the same word (mcp_core.errand), for a Kong that loads plugins in Lua: a list is cheaper by it.
-- Its keys are those of KONG_MCP_KEYS, which nginx_main_env hands on to the workers. See spec/decisions/141.

local base64 = require "ngx.base64"
local bit = require "bit"
local cjson = require "cjson.safe"
local hmac = require "resty.openssl.hmac"

local kong, ngx = kong, ngx
local byte, find, gmatch, match = string.byte, string.find, string.gmatch, string.match

local QUERY = "^[%w._~%%=&-]*$"
local PURPOSE = "kong-mcp errand 1\1"
local WORD = "^1%.([%w_-]+)%.([%w_-]+)$"
local LONGEST = 30 -- seconds that a word may still hold: no clock of ours makes it more
local MIN_KEY_BYTES = 32

-- Before every plugin that looks at who calls: on this route nobody else has business, and there is no consumer.
local Internal = { PRIORITY = 2600, VERSION = "0.2.0" }
local keys = {}

local function sign(key, text)
  return assert(assert(hmac.new(key, "sha256")):final(text))
end

function Internal:init_worker()
  keys = {}
  for text in gmatch(os.getenv("KONG_MCP_KEYS") or "", "[^%s,]+") do
    local key = ngx.decode_base64(text)
    if not key or #key < MIN_KEY_BYTES then
      keys = {}
      break
    end
    keys[#keys + 1] = sign(key, PURPOSE)
  end
  if #keys == 0 then
    kong.log.err("KONG_MCP_KEYS has no key, or one that is none: the internal route stays closed (see nginx_main_env)")
  end
end

-- Whether two texts are equal, in a time that does not say where they differ.
local function same(one, other)
  if #one ~= #other then return false end
  local differ = 0
  for i = 1, #one do differ = bit.bor(differ, bit.bxor(byte(one, i), byte(other, i))) end
  return differ == 0
end

local function signed(payload, mac)
  local good = false
  for _, key in ipairs(keys) do -- all of them, so that time does not tell which one it was
    good = same(base64.encode_base64url(sign(key, payload)), mac) or good
  end
  return good and cjson.decode(base64.decode_base64url(payload) or "") or nil
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

return Internal
