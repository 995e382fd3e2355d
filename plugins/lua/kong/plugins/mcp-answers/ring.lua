-- The ring of keys that guard and sidecar share, as nginx_main_env hands it on to Kong's workers in KONG_MCP_KEYS; in Python mcp_core.seal.

local bit = require "bit"
local hmac = require "resty.openssl.hmac"

local byte, gmatch = string.byte, string.gmatch

local MIN_KEY_BYTES = 32
local _M = {}

function _M.sign(key, text)
  return assert(assert(hmac.new(key, "sha256")):final(text))
end

-- The keys for one purpose; none where one of the ring is no key.
function _M.read(purpose)
  local keys = {}
  for text in gmatch(os.getenv("KONG_MCP_KEYS") or "", "[^%s,]+") do
    local key = ngx.decode_base64(text)
    if not key or #key < MIN_KEY_BYTES then return {} end
    keys[#keys + 1] = _M.sign(key, purpose .. "\1")
  end
  return keys
end

-- Whether two texts are equal, in a time that does not say where they differ.
function _M.same(one, other)
  if #one ~= #other then return false end
  local differ = 0
  for i = 1, #one do differ = bit.bor(differ, bit.bxor(byte(one, i), byte(other, i))) end
  return differ == 0
end

-- Whether one of the keys signed a text. All are tried, so that time does not tell which one it was.
function _M.signed(keys, text, mac)
  local good = false
  for _, key in ipairs(keys) do good = _M.same(_M.sign(key, text), mac) or good end
  return good
end

return _M
