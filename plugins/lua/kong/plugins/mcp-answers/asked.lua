-- What mcp-guard is given of a request: through kong.ctx.shared, where no client can write, so that with it mcp-answers
-- announces itself too. Where the same was let pass a moment ago (again.lua), it is told that instead, and ends without a word
-- more: the question that it asked then stands in its place. See spec/decisions/327, 374 and 377.

local again = require "kong.plugins.mcp-answers.again"
local cjson = require "cjson.safe"

local kong, ngx = kong, ngx
local concat, find = table.concat, string.find

-- The headers alone; with the body behind them; those of which requests that differ in their length alone have the same; and
-- the second of these, or the word that a verdict is used again.
local HEADERS_KEY, REQUEST_KEY, ALIKE_KEY, ASKED_KEY = "mcp_request_1", "mcp_request_2", "mcp_request_3", "mcp_request_4"
local AGAIN = "again " -- begins no JSON
local QUESTION = "mcp_question"
local MAX_BODY = 65536 -- bytes of a body that goes to the guard with the headers; what is larger it asks for
local MAX_HEADERS = 100

local _M = {}

local function headers_now(alike)
  local headers = ngx.req.get_headers(MAX_HEADERS)
  if alike and type(headers["content-length"]) == "string" then headers["content-length"] = "" end
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

-- These values as one text: of all of them the path alone could have a NUL in it.
function _M.as_text(told) return concat(told, "\0") end

-- A body that is not ASCII the guard asks for: a text of Kong's protocol is UTF-8.
local function request(body)
  if type(body) ~= "string" or #body > MAX_BODY or find(body, "[\128-\255]") then return headers_now() end
  return headers_now() .. "\n" .. body
end

-- Whose verdicts Kong's way uses again: those of one entry of the plugin, which is what Kong runs now. Which configuration it
-- had then the guard compares itself, by the law in the question, and once more the files, as it knows them.
local function used_again(shared, body)
  local whose = ngx.ctx.plugin_id
  if not whose or type(body) ~= "string" then return nil end
  ngx.ctx.mcp_asked = { whose }
  local alike = again.knows(whose) and headers_now(true)
  if not alike or not again.is_plain(alike, body) then return nil end
  local told = _M.as_text(_M.told())
  local question = again.question(whose, alike, told, body)
  if question and type(question.law) == "string" then
    rawset(shared, QUESTION, question)
    return AGAIN .. question.law .. " " .. question.again
  end
  ngx.ctx.mcp_asked = { whose, alike, told, body, ngx.now() }
end

local GIVEN = {
  [HEADERS_KEY] = function() return headers_now() end,
  [ALIKE_KEY] = function() return headers_now(true) end,
  [REQUEST_KEY] = function() return request(kong.request.get_raw_body()) end,
  [ASKED_KEY] = function(shared)
    local body = kong.request.get_raw_body()
    return used_again(shared, body) or request(body)
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

-- A question that the guard has asked, in Kong's way: kept, if that may be.
function _M.keep(said)
  local asked = ngx.ctx.mcp_asked
  if asked then again.keep(asked[1], asked[2], asked[3], asked[4], asked[5], said) end
end

return _M
