-- The body of a request as nginx has it, without a text of Lua: LuaJIT looks each new text up among all that are not collected
-- yet, and takes long over bodies of one length that differ in their middle alone. See spec/decisions/378.

local ffi = require "ffi"

local C, io, ipairs, ngx, pcall, tonumber = ffi.C, io, ipairs, ngx, pcall, tonumber

local NAME = "request_body"
-- What Kong writes of nginx's configuration, and what it includes there.
local FILES = { "nginx.conf", "nginx-inject.conf", "nginx-kong.conf", "nginx-kong-inject.conf" }
local INCLUDED = { ["mime.types"] = true, ["nginx-inject.conf"] = true, ["nginx-kong.conf"] = true, ["nginx-kong-inject.conf"] = true,
  ["nginx-kong-stream.conf"] = true, ["nginx-kong-gui-include.conf"] = true }

local _M = {}

local get_request -- nil where bodies are not to be had so
local value, length, problem = ffi.new "char *[1]", ffi.new "size_t[1]", ffi.new "char *[1]"
local lowered = ffi.new("char[?]", #NAME)

-- Whether nginx's configuration leaves the variable alone: where it names it, nginx remembers its first value, which a plugin
-- may have changed since. What cannot be read may name it.
function _M.is_left_alone(read)
  for _, name in ipairs(FILES) do
    local text = read(name)
    if not text or text:find "%$%{?request_body[^_%w]" then return false end
    for included in text:gmatch "include%s+['\"]?([^'\";%s]+)" do
      if not INCLUDED[included:match "[^/]+$"] then return false end
    end
  end
  return true
end

local function read(name)
  local file = io.open(ngx.config.prefix() .. name, "rb")
  local text = file and file:read "*a"
  if file then file:close() end
  return text
end

function _M.start()
  local known, base = pcall(require, "resty.core.base")
  local there = known and pcall(function() return C.ngx_http_lua_ffi_var_get end)
  get_request = there and _M.is_left_alone(read) and base.get_request or nil
end

local held -- of whose bytes these are: LuaJIT would collect it

-- Returns the bytes of a text, and how many. They are good until it is asked for others.
function _M.of(text)
  held = text
  return ffi.cast("const uint8_t *", held), #held
end

-- Returns the body's bytes, and how many; nil where it is in a file, or is none. They are good until others are asked for.
function _M.view()
  ngx.req.read_body()
  local request = get_request and get_request()
  if not request then
    local text = ngx.req.get_body_data()
    if not text then return nil end
    return _M.of(text)
  end
  if C.ngx_http_lua_ffi_var_get(request, NAME, #NAME, lowered, 0, value, length, problem) ~= 0 then return nil end
  return ffi.cast("const uint8_t *", value[0]), tonumber(length[0])
end

return _M
