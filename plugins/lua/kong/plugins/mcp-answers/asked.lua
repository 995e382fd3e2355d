-- What mcp-guard is given of a request: through kong.ctx.shared, where no client can write, so that with it mcp-answers
-- announces itself too. Where the same was let pass a moment ago (again.lua), it is told that instead, and ends without a word
-- more: the question that it asked then stands in its place. See spec/decisions/327, 374 and 377.

local again = require "kong.plugins.mcp-answers.again"
local bodies = require "kong.plugins.mcp-answers.bodies"
local cjson = require "cjson.safe"

local kong, ngx = kong, ngx
local concat, find, ipairs, rawget, rawset, type = table.concat, string.find, ipairs, rawget, rawset, type

-- The headers alone; with the body behind them; and the second of these, or the word that a verdict is used again. The last
-- says too that mcp-answers knows the way to the sidecar.
local HEADERS_KEY, REQUEST_KEY, ASKED_KEY = "mcp_request_1", "mcp_request_2", "mcp_request_5"
local AGAIN = "again " -- begins no JSON
local QUESTION = "mcp_question"
local MAX_BODY = 65536 -- bytes of a body that goes to the guard with the headers; what is larger it asks for
local MAX_HEADERS = 100
local MAX_PASSING = 256

local _M = { ASKED_KEY = ASKED_KEY }

-- Headers that say which request this is, and nothing of it: whatever stands in one, the guard decides the same, and the
-- server gets it as it came. Agents that are traced, and Kong's correlation-id, write another value each time.
_M.PASSING = { "content-length", "kong-request-id", "traceparent", "tracestate", "x-correlation-id", "x-request-id" }

local function passes(value)
  return type(value) == "string" and #value <= MAX_PASSING and not find(value, "[^ -~]")
end

-- The request's headers; with `alike` those of which requests that differ in no more than what passes have the same.
local function headers_now(alike)
  local headers = ngx.req.get_headers(MAX_HEADERS) -- the first value alone: the second one says that there were more
  for _, name in ipairs(alike and _M.PASSING or {}) do
    if passes(rawget(headers, name)) then headers[name] = "" end
  end
  return cjson.encode(headers)
end

-- All that the guard is told of a request beside its headers and its body, as values, in the order of the short way's frame.
function _M.told()
  local consumer, route = kong.client.get_consumer(), kong.router.get_route()
  return {
    kong.request.get_method(),
    kong.request.get_path(),
    kong.request.get_raw_query(),
    kong.client.get_forwarded_ip() or "",
    ngx.var.ssl_client_raw_cert or "",
    consumer and cjson.encode { id = consumer.id, username = consumer.username, tags = consumer.tags } or "null",
    cjson.encode { methods = route and route.methods },
  }
end

-- Returns the question of a verdict that stands for this request too, or nil; and what the guard is told, where that was looked
-- at. `whose` is what has verdicts of its own: an entry of the plugin, or a configuration. What `keep` needs is remembered.
function _M.used_again(whose)
  ngx.ctx.mcp_asked = { whose = whose, at = ngx.now() }
  if not again.knows(whose) then return nil end
  local values = _M.told()
  local alike, told = headers_now(true), concat(values, "\0") -- of these values the path alone could have a NUL in it
  local bytes, length = bodies.view()
  local question = bytes and again.question(whose, alike, told, bytes, length)
  if question then return question end
  ngx.ctx.mcp_asked.alike, ngx.ctx.mcp_asked.told = alike, told
  return nil, values
end

-- Remembers the body over which is decided, and returns it; and why there is none.
function _M.body()
  local body, why = kong.request.get_raw_body()
  local asked = ngx.ctx.mcp_asked
  if asked then asked.body = body end
  return body, why
end

-- Forgets a request: its verdict is for it alone.
function _M.forget() ngx.ctx.mcp_asked = nil end

-- A question that the guard has asked: kept, if that may be.
function _M.keep(said)
  local asked = ngx.ctx.mcp_asked
  if asked then again.keep(asked.whose, asked.alike, asked.told, asked.body, asked.at, said) end
end

-- A body that is not ASCII the guard asks for: a text of Kong's protocol is UTF-8.
local function request(body)
  if type(body) ~= "string" or #body > MAX_BODY or find(body, "[\128-\255]") then return headers_now() end
  return headers_now() .. "\n" .. body
end

local GIVEN = {
  [HEADERS_KEY] = function() return headers_now() end,
  [REQUEST_KEY] = function() return request(kong.request.get_raw_body()) end,
  -- In Kong's own way. Which configuration its entry of the plugin had then the guard compares itself, by the law in the
  -- question, and once more the files, as it knows them.
  [ASKED_KEY] = function(shared)
    local whose = ngx.ctx.plugin_id
    local question = whose and _M.used_again(whose)
    if question and type(question.law) == "string" then
      rawset(shared, QUESTION, question)
      return AGAIN .. question.law .. " " .. question.again
    end
    return request(_M.body())
  end,
}

-- The request's context, with these. Whoever wants the request decides over it, by whatever key: what was used again is
-- taken back. Kong sends an event once more where a plugin server ended under it: what the first was told is gone then.
_M.CONTEXT = {
  __index = function(shared, key)
    local given = GIVEN[key]
    if not given then return nil end
    rawset(shared, QUESTION, nil)
    return given(shared)
  end,
}

return _M
