-- Who is cut off on this node, for calls that are open: the list that its guards read too (mcp_core.auth.revoked), by the path
-- in KONG_MCP_REVOKED. Whether a call may begin the guard decides: here nothing is cut off that no list names, and a list that
-- cannot be read any more leaves the last one. See spec/decisions/257.

local base64 = require "ngx.base64"
local ring = require "kong.plugins.mcp-answers.ring"
local unpack = require "kong.plugins.mcp-answers.unpack"

local kong, ngx = kong, ngx
local sub = string.sub

local SECONDS = 0.5
local MAGIC, MAC, DIGEST, FORMAT = "KMR1", 32, 32, 1
local _M = { PURPOSE = "kong-mcp revocations" }
local keys, path, seen, told, held = {}, nil, nil, nil, {}

-- The digests of a file's bytes, in base64url, each with the Unix time in seconds until which it holds; or why they count nothing.
local function read(text)
  local mac, payload = sub(text, #MAGIC + 1, #MAGIC + MAC), sub(text, #MAGIC + MAC + 1)
  if sub(text, 1, #MAGIC) ~= MAGIC or not ring.signed(keys, payload, mac) then return nil, "no key of KONG_MCP_KEYS signed it" end
  local said = unpack(payload)
  if type(said) ~= "table" or said.format ~= FORMAT or type(said.revoked) ~= "table" then
    return nil, "it is not of this release"
  end
  local found = {}
  for _, word in ipairs(said.revoked) do
    if type(word) ~= "table" or type(word[1]) ~= "string" or #word[1] ~= DIGEST or type(word[3]) ~= "number" then
      return nil, "a word of it is none"
    end
    found[base64.encode_base64url(word[1])] = word[3]
  end
  return found
end

local function look(premature)
  if premature then return end
  local file, why = io.open(path, "rb")
  if not file then
    if why ~= told then kong.log.warn("calls that are open are not cut off, as nobody here knows who is: ", why) end
    told = why
    return
  end
  local head = file:read(#MAGIC + MAC) or ""
  if head ~= seen then -- it holds the MAC of all that follows
    local found, problem = read(head .. (file:read("*a") or ""))
    held, seen = found or held, found and head or seen
    if problem and problem ~= told then kong.log.err("who was cut off is not read anew: ", problem) end
    told = problem
  else
    told = nil
  end
  file:close()
end

function _M.start()
  path = os.getenv("KONG_MCP_REVOKED")
  if not path or path == "" then return end
  keys = ring.read(_M.PURPOSE)
  look()
  assert(ngx.timer.every(SECONDS, look))
end

-- Whether one of these marks, or none where there are none, is cut off now.
function _M.hold(marks)
  if type(marks) ~= "table" then return false end
  for _, mark in ipairs(marks) do
    if (held[mark] or 0) > ngx.time() then return true end
  end
  return false
end

return _M
