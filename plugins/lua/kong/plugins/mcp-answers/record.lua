-- What a request's record says, as mcp_core.record has it, for Kong's log plugins and the collector: see spec/decisions/175.
-- Of what goes to the sidecar the guard has made it (381); that of a call is made here, of its question and its answer.

local kong, ngx = kong, ngx
local find, match, sub = string.find, string.match, string.sub

local MAX_TEXT = 1024 -- no text is longer: 256 characters of it are read (mcp_core.record.MOST_TEXT), each of four bytes at most

local _M = {}

-- A name as the agent wrote it: what is no plain text travels in base64 (2026-07-28, basic/transports).
local function name_of(value)
  local coded = type(value) == "string" and match(value, "^=%?base64%?(.*)%?=$")
  return coded and ngx.decode_base64(coded) or value
end

local function cut(value)
  return type(value) == "string" and sub(value, 1, MAX_TEXT) or nil
end

-- The record of a call. The guard would need one more trip to Kong for each call to leave it there, and does so only where it
-- has more to tell: then its question names no server.
local function of_call()
  local question, held = ngx.ctx.mcp_question, ngx.ctx.mcp_held or {}
  if not question or not question.server then return nil end
  -- One by one, not all of them: the guard takes each of these once at most, and no other spelling of the first three.
  local session, trace = ngx.var.http_mcp_session_id, ngx.var.http_traceparent
  if session then
    local hash = require("resty.sha256"):new()
    hash:update(question.server .. "\0" .. session)
    session = sub(require("resty.string").to_hex(hash:final()), 1, 16)
  end
  local failed = held.failed or (held.law and held.law.failed)
  return {
    format = 1, hop = "guard", lane = "call", server = question.server, era = question.era,
    principal = question.principal, session = session,
    method = cut(question.method or ngx.var.http_mcp_method), name = cut(name_of(ngx.var.http_mcp_name)),
    outcome = failed and "withheld" or held.outcome or "passed",
    reason = failed and "answer" or held.reason, detail = failed or nil,
    trace = trace and not find(trace, ",", 1, true) and cut(trace) or nil, -- two of them are none
  }
end

-- Whether anybody reads records of this request: a log plugin, or the collector. Kong keeps what runs in pairs.
local function is_read(conf)
  local run = ngx.ctx.plugins and ngx.ctx.plugins.log
  return conf.collector or not run or (run[0] or 0) ~= 2 or run[1].name ~= "mcp-answers"
end

-- Remembers the record that the guard made of what goes to the sidecar; nil where it has told Kong itself.
function _M.remember(said) ngx.ctx.mcp_record = said end

-- The guard's record of what an upstream that Kong does not know ends, as mcp_kong.parts.missing has it.
function _M.unopened(said, upstream, code)
  return { format = said.format, hop = said.hop, server = said.server, principal = said.principal, trace = said.trace,
    outcome = "refused", reason = "upstream-missing", detail = upstream, kind = "protocol", code = code }
end

-- Puts the record of the request into Kong's own, where anybody reads it. Returns it; nil where there is none of ours.
function _M.write(conf)
  local said = is_read(conf) and (ngx.ctx.mcp_record or of_call()) or nil
  if said then kong.log.set_serialize_value("mcp", said) end
  return said
end

return _M
