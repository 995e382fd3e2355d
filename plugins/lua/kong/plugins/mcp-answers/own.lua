-- Kong's own answers on MCP routes: no key or a wrong one, no route, a limit, no replica, a plugin that failed. Kong says them
-- as {"message": ...}, which agents cannot read: here they become JSON-RPC errors that say what to do. Status and headers stay.
-- What is JSON-RPC already (mcp-guard's refusals) passes as it is. See spec/decisions/142.

local cjson = require "cjson.safe"
local law = require "kong.plugins.mcp-answers.law"

local kong, ngx = kong, ngx
local find, format = string.find, string.format
local concat = table.concat

local MAX_READ = 65536 -- bytes of a request that are read for its id
local MAX_ID = 256
local INVALID, FORBIDDEN, UNAVAILABLE, BUG = -32600, -32003, -32004, -32603

-- Code and next step, by status.
local WORDS = {
  [401] = { FORBIDDEN, "This server asks who you are: send the key or token that the gateway's operator gave you, in the way that "
    .. "WWW-Authenticate names." },
  [403] = { FORBIDDEN, "The gateway does not let you in here. If you should be, its operator must allow it." },
  [404] = { INVALID, "There is no MCP server at this address. Check its URL, which ends in /mcp, or ask the gateway's operator." },
  [408] = { UNAVAILABLE, "Your request did not arrive in time. Send it again." },
  [413] = { INVALID, "Your message is larger than the gateway takes. Send less at once." },
  [429] = { UNAVAILABLE, "You asked more often than the gateway's operator allows. Wait as long as Retry-After says, and try again." },
  [500] = { BUG, "The gateway failed at this request. Try again; if it lasts, its operator finds the cause in Kong's error log." },
  [501] = { INVALID, "The gateway takes no such Transfer-Encoding. Send chunks, or a Content-Length." },
  [502] = { UNAVAILABLE, "The server broke off before it answered. Your request may have run, and was not repeated. If it lasts, its "
    .. "operator must look after the server." },
  [503] = { UNAVAILABLE, "No replica of this server answered, or a part of the gateway is not there. Try again; if it lasts, the "
    .. "gateway's operator must look after it." },
  [504] = { UNAVAILABLE, "The server did not answer in time. Try again; if it lasts, its operator must look after it." },
  [505] = { INVALID, "The gateway speaks HTTP/1.1 and HTTP/2." },
}

local _M = {}

-- Whether an MCP client gets this answer: by the route's service, or, where no route is known to it, by what it accepts.
local function is_mcp(status)
  local service = kong.router.get_service()
  local internal = service and find(service.name or "", "^mcp%-internal") ~= nil
  if service and not internal then return find(service.name or "", "^mcp%-") ~= nil end
  if service and status ~= 404 then return false end -- the sidecar reads Kong's own words
  local accept = ngx.var.http_accept or ""
  return find(accept, "application/json", 1, true) and find(accept, "text/event-stream", 1, true) and true or false
end

-- The id that was asked with, where the request was read before Kong answered.
local function asked_id()
  local ok, data = pcall(ngx.req.get_body_data)
  if not ok or not data or #data > MAX_READ then return nil end
  local message = cjson.decode(data)
  local id = type(message) == "table" and message.method ~= nil and message.id or nil
  if type(id) == "string" and #id <= MAX_ID or type(id) == "number" and id % 1 == 0 and id < 2 ^ 53 and id > -2 ^ 53 then
    return id
  end
end

function _M.header_filter(question)
  local status = ngx.status
  if status < 400 or ngx.header["Content-Type"] == "application/json" -- so says the guard, without a charset
    or kong.response.get_source() == "service" or not (question or is_mcp(status)) then
    return
  end
  local id = question and question.id
  if id == nil and ngx.req.get_method() == "POST" then id = asked_id() end
  ngx.ctx.mcp_own = { status = status, id = id, pieces = {} }
  ngx.header["Content-Length"] = nil
  ngx.header["Content-Type"] = "application/json"
  if status == 503 and not ngx.header["Retry-After"] then ngx.header["Retry-After"] = "1" end
end

local function reworded(own, text)
  local said = cjson.decode(text)
  said = type(said) == "table" and said or {}
  if said.jsonrpc == "2.0" then return text end
  local known = WORDS[own.status]
  local code = known and known[1] or own.status >= 500 and BUG or INVALID
  local words = known and known[2] or format("The gateway refused this request with HTTP %d.", own.status)
  local kongs = type(said.message) == "string" and said.message or nil
  return law.error({ id = own.id }, code, words, { kong = kongs, request_id = ngx.var.kong_request_id })
end

-- Returns whether the answer is one of Kong's own.
function _M.body_filter()
  local own = ngx.ctx.mcp_own
  if not own then return false end
  own.pieces[#own.pieces + 1] = ngx.arg[1]
  ngx.arg[1] = ngx.arg[2] and not own.sent and reworded(own, concat(own.pieces)) or nil
  own.sent = own.sent or ngx.arg[2]
  return true
end

return _M
