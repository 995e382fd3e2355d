-- mcp-answers: opens the upstream of a call for mcp-guard, and holds what comes back to the question that was asked.
-- It is meant to be configured globally: only then does Kong run `rewrite`, in which it announces itself to the guard.
-- Where it is missing or of another release, nothing opens: see spec/decisions/100.

local asked = require "kong.plugins.mcp-answers.asked"
local bodies = require "kong.plugins.mcp-answers.bodies"
local cjson = require "cjson.safe"
local collector = require "kong.plugins.mcp-answers.collector"
local cuts = require "kong.plugins.mcp-answers.cuts"
local law = require "kong.plugins.mcp-answers.law"
local own = require "kong.plugins.mcp-answers.own"
local record = require "kong.plugins.mcp-answers.record"

local kong, ngx = kong, ngx
local byte, find, gmatch, gsub, lower, match, sub = string.byte, string.find, string.gmatch, string.gsub, string.lower, string.match, string.sub
local remember = law.remember

local FORMAT = "1"
local MISSING = -32603
-- What a question may say. A member that is not here means nothing, unless the question calls it critical.
local KNOWN = { format = true, upstream = true, era = true, version = true, kinds = true, headers = true, id = true, method = true,
  token = true, server = true, principal = true, cuts = true, query = true,
  again = true, law = true, path = true, scheme = true, redacted = true, record = true }
local MAX_REST = 1048576
-- Bytes a second of one stream. Above it nginx waits a millisecond after each buffer that it has passed on, and so gives
-- others their turn: by itself it reads a fast server for as long as that server is faster than our law.
local MAX_RATE = 16777216
local WITHHELD = { [401] = true, [407] = true, [421] = true, [426] = true }
-- Of the server's headers these pass as they are. Type, connection and length are written by nginx or by us.
local PASSED = { connection = true, ["content-type"] = true, ["transfer-encoding"] = true, date = true, ["retry-after"] = true, allow = true, ["mcp-protocol-version"] = true }

-- After mcp-guard (940), which leaves the question in kong.ctx.shared: no client can write there.
local Answers = { PRIORITY = 939, VERSION = "0.2.0" }

function Answers:init_worker()
  cuts.start()
  bodies.start()
end

function Answers:rewrite()
  setmetatable(kong.ctx.shared, asked.CONTEXT)
end

-- The server is asked at its service's own path, and for nothing else. Kong carries over the slash at the end of the
-- agent's path, which would name another resource; and an MCP endpoint has no query but what the server's operator wants:
-- see spec/decisions/118 and 253.
local function bare(path) return byte(path, -1) == 47 and sub(path, 1, -2) or path end

local function ask_the_endpoint(query)
  local service = kong.router.get_service()
  local path = service and service.path or "/"
  local asked = ngx.var.upstream_uri
  if asked ~= path and bare(asked) == bare(path) then ngx.var.upstream_uri = path end
  ngx.req.set_uri_args(query or "")
  if query then -- it may be a secret, and log plugins write both down
    kong.log.set_serialize_value("request.querystring", {})
    kong.log.set_serialize_value("upstream_uri", ngx.var.upstream_uri)
  end
end

-- How releases read each other: see spec/decisions/155.
local function is_understood(question)
  local crit = question.crit
  if crit == nil then return true end
  if type(crit) ~= "table" or (next(crit) ~= nil and #crit == 0) then return false end
  for _, name in ipairs(crit) do
    if not KNOWN[name] then return false end
  end
  return true
end

local function change(headers)
  for name, value in pairs(headers) do
    if value then ngx.req.set_header(name, value) else ngx.req.clear_header(name) end
  end
end

-- Ends what Kong knows no upstream for. Its log plugins read the agent's headers afterwards.
local function refuse(question)
  for name, value in pairs(question.headers) do
    if not value then ngx.req.clear_header(name) end
  end
  record.remember(question.record and record.unopened(question.record, question.upstream, MISSING))
  -- On the sidecar's own way to a member: it then knows that no server said this.
  local own_way = question.headers["mcp-gateway-acting"] == false
  return kong.response.exit(503, law.error(question, MISSING,
    "This server is not available: the gateway's operator must add its upstream to the configuration."),
    { ["Content-Type"] = "application/json", ["mcp-gateway-refused"] = own_way and MISSING .. " upstream-missing" or nil })
end

-- The inspect lane: the sidecar holds the answer, so nothing of it is judged here. See spec/decisions/381.
local function to_sidecar(question)
  kong.service.request.set_scheme(question.scheme)
  kong.service.request.set_path(question.path)
  change(question.headers)
  -- Kong's log plugins write down every header of the request. A name with dots changes their record alone.
  kong.log.set_serialize_value("request.headers." .. question.redacted, "REDACTED")
  record.remember(question.record)
end

function Answers:access()
  local said = kong.ctx.shared.mcp_question
  if said == nil then return end
  local question = type(said) == "table" and said or cjson.decode(said) -- decoded is one that is used again
  if type(question) ~= "table" or question.format ~= FORMAT or not is_understood(question) then
    kong.log.err("a question that this mcp-answers does not take: it and mcp-guard must be of one release")
    return -- and the service stays closed
  end
  local ok, err = kong.service.set_upstream(question.upstream)
  if not ok then
    kong.log.err("mcp-answers: ", err)
    return refuse(question)
  end
  if question.path then return to_sidecar(question) end
  if type(said) == "string" then asked.keep(said) end
  change(question.headers)
  ngx.req.set_header("Accept-Encoding", "identity") -- what is compressed could not be judged
  ask_the_endpoint(question.query)
  ngx.ctx.mcp_question = question
end

local function private(value)
  local said = "," .. lower(gsub(value, "%s", "")) .. ","
  said = gsub(said, "=[^,]*", "")
  local kept = find(said, ",private,", 1, true) or find(said, ",no-store,", 1, true) or find(said, ",no-cache,", 1, true)
  return kept and not find(said, ",public,", 1, true) and not find(said, ",s-maxage,", 1, true) and value
    or "private, no-cache"
end

-- The nginx variable of a header of the server's.
local variable = remember(function(name) return "upstream_http_" .. gsub(name, "-", "_") end)

-- What Kong's cors plugin wrote before this one, by its configuration: servers that let pages of browsers in write the same
-- word for word, and then no value says whose it is. Kong keeps the plugins of a request, and what each is to do, in pairs.
local function written_by_cors()
  local run = ngx.ctx.plugins and ngx.ctx.plugins.header_filter or {}
  for at = 1, run[0] or 0, 2 do
    local conf = run[at + 1]
    if run[at].name == "cors" then
      return { vary = true, ["access-control-allow-origin"] = true, ["access-control-allow-credentials"] = conf.credentials,
        ["access-control-expose-headers"] = conf.exposed_headers and #conf.exposed_headers > 0 }
    end
  end
  return {}
end

-- Takes off what the server wrote, and leaves what plugins of Kong wrote, some of which ran before this one.
local function clean_headers()
  local kept
  for name, value in pairs(ngx.resp.get_headers(0)) do
    local theirs = not PASSED[name] and ngx.var[variable(name)]
    if theirs then
      kept = kept or written_by_cors()
      local mine = type(value) == "table" and value[#value] or value
      if not kept[name] and (theirs == mine or find(theirs, mine, 1, true)) then
        ngx.header[name] = name == "cache-control" and private(theirs) or nil
      end
    end
  end
end

-- UTF-8, and those whose ASCII half is the same: clients read UTF-8, whatever the server says.
local CHARSETS = { [""] = true, ["utf-8"] = true, utf8 = true, ["utf_8"] = true, ["us-ascii"] = true, ascii = true,
  ["iso-8859-1"] = true, ["iso8859-1"] = true, ["latin-1"] = true, latin1 = true, ["windows-1252"] = true }

local read_type = remember(function(kind)
  local name, rest = match(kind, "^%s*([%w/+.-]+)%s*(.*)$")
  if not name or rest ~= "" and byte(rest) ~= 59 then return false end
  for value in gmatch(rest, ";%s*charset%s*=([^;]*)") do
    if not CHARSETS[gsub(value, "[\"'%s]", "")] then return false end
  end
  return name == "application/json" and "json" or name == "text/event-stream" and "stream"
end)

-- What becomes of the body: "stream", "json", "error" (of a 4xx or 5xx), "none", or why the answer is replaced.
local function read_head(question)
  local status, kind = ngx.status, lower(ngx.var.upstream_http_content_type or "")
  local encoding = ngx.var.upstream_http_content_encoding
  if WITHHELD[status] or status < 200 or (status >= 300 and status < 400)
    or (status == 403 and ngx.var.upstream_http_www_authenticate) then
    return "the status " .. status
  end
  if status < 300 and question.id == nil then return "none" end
  if encoding and lower(encoding) ~= "identity" then return "a Content-Encoding that was not asked for" end
  if status >= 400 then return "error" end
  local known = read_type(kind)
  if known then return known end
  if status ~= 200 or ngx.var.upstream_http_content_length == "0" then return "an answer without content" end
  return "a Content-Type that is neither JSON nor an event stream"
end

-- nginx writes the charset of the server's type behind ours, unless ours has one.
local function set_type(kind)
  local theirs = ngx.var.upstream_http_content_type
  ngx.header["Content-Type"] = theirs and find(theirs, ";", 1, true) and kind .. "; charset=utf-8" or kind
end

local function replace(held, status, why, text)
  held.how, held.failed, held.text = "replaced", why, text
  ngx.status = status
  set_type("application/json")
end

local NOBODY = "No replica of this server answered. Try again; if it lasts, its operator must look after the server."
local MAY_HAVE_RUN = "The connection to the server broke before its answer was whole. Your request may have run, and was not repeated."

local FORBIDDEN = -32003
local GRACE = 1 -- seconds in which a server may end by itself what was cut off
local CUT = "Whoever asked this, its client or its session was cut off while it was open."

-- Whether who asked was cut off since: nothing more of the answer passes.
local function is_cut(held)
  local question = held.question
  if not held.cut and question.id ~= nil and cuts.hold(question.cuts) then
    held.cut, held.outcome, held.reason = true, "cut-off", "cut-off"
  end
  return held.cut
end

-- Whether this plugin may end an answer with the last byte of the server's: no plugin before it waits for an end of its own.
-- Where nginx buffers, Lua may not have seen all bytes.
local function may_end(held)
  local run = held.unbuffered and ngx.ctx.plugins and ngx.ctx.plugins.body_filter
  local first = run and run[1]
  return first and first.name == "mcp-answers"
end

function Answers:header_filter(conf)
  local question = ngx.ctx.mcp_question
  local source = question and kong.response.get_source()
  if not question or source == "exit" then return own.header_filter(question) end
  local route = kong.router.get_route()
  local held = { question = question, unbuffered = route and route.response_buffering == false }
  ngx.ctx.mcp_held = held
  ngx.header["Content-Length"] = nil
  if source == "error" then -- Kong itself: no replica, or none that answered in time
    ngx.header["Retry-After"] = ngx.status == 503 and "1" or nil
    held.outcome, held.reason = "unavailable", "no-replica"
    local sent = ngx.status == 502 or ngx.status == 504 -- 503: Kong found nobody to send it to
    replace(held, ngx.status, nil, law.error(question, -32004, sent and MAY_HAVE_RUN or NOBODY, sent and { mayHaveRun = true } or nil))
    return
  end
  local how = read_head(question)
  clean_headers()
  ngx.status = ngx.status -- with it goes the server's reason phrase
  if is_cut(held) then
    replace(held, 403, nil, law.error(question, FORBIDDEN, CUT))
    return
  end
  if how == "stream" then
    held.how, held.law = how, law.stream(question, conf.max_event)
    ngx.var.limit_rate = MAX_RATE
    set_type("text/event-stream")
    ngx.header["X-Accel-Buffering"] = "no"
    ngx.header["Cache-Control"] = ngx.header["Cache-Control"] or "no-cache"
  elseif how == "json" or how == "error" then
    held.how, held.law, question.refused = how, law.body(question, conf.max_answer), how == "error"
    local size = tonumber(ngx.var.upstream_http_content_length)
    held.left = may_end(held) and size or nil
    set_type("application/json")
    if how == "json" then ngx.status = 200 end
    if (size or 0) > conf.max_answer then
      replace(held, ngx.status, "an answer that is too large", law.withheld(question, "an answer that is too large"))
    end
  elseif how == "none" then
    held.how = "none"
    ngx.header["Content-Type"] = nil
    if ngx.req.get_method() == "POST" and ngx.status ~= 204 then ngx.status = 202 end
  else
    -- Some clients end their session at any 5xx: where the server's status was good, one answer is missing.
    replace(held, ngx.status >= 200 and ngx.status < 300 and 200 or 502, how, law.withheld(question, how))
  end
end

-- The body of a 4xx or 5xx: one JSON-RPC error with the question's id, or ours.
local function refusal(held)
  local text = held.law:finish()
  if not held.law.failed then return text end
  local status = ngx.status
  held.failed = "the status " .. status
  if status >= 500 then return law.error(held.question, -32603, "The server failed with HTTP " .. status .. ".") end
  return law.error(held.question, -32600, "The server refused the request with HTTP " .. status .. ".")
end

-- Once, at its end or when it fails: what was withheld stands in Kong's log, and in the record of its log plugins.
local function report(held)
  if held.reported then return end
  held.reported = true
  local failed, dropped = held.failed or (held.law and held.law.failed), held.law and held.law.dropped or 0
  if not failed and dropped == 0 then return end
  kong.log.set_serialize_value("mcp_answer", { failed = failed, dropped = dropped, method = held.question.method })
  if failed then kong.log.warn("answer withheld: ", failed, "; upstream ", held.question.upstream) end
end

-- What passes as it came is not written anew: nginx has its bytes. But where it may hold some of them in a file, Lua has
-- not seen those.
local function pass(held, chunk, out)
  if out ~= chunk or not held.unbuffered then ngx.arg[1] = out ~= "" and out or nil end
end

function Answers:body_filter()
  if own.body_filter() then return end
  local held = ngx.ctx.mcp_held
  if not held then return end
  local chunk, last, how = ngx.arg[1] or "", ngx.arg[2], held.how
  if held.told then
    if chunk ~= "" and ngx.now() - held.told > GRACE then error(CUT) end -- nginx cuts the connection, and that to the server
    ngx.arg[1] = nil
    return
  end
  if held.law and how ~= "stream" and is_cut(held) then
    if held.law.sent > 0 then error(CUT) end -- half an answer must not look like one
    how, held.law, held.text = "replaced", nil, law.error(held.question, FORBIDDEN, CUT)
  end
  if how == "stream" then
    local now = ngx.now() -- of the event loop: it stands still until others had their turn
    if now ~= held.now then held.now, held.law.noise = now, 0 end
    if held.law.failed then -- it may end by itself soon; what goes on and on need not be read
      held.rest = (held.rest or 0) + #chunk
      if held.rest > MAX_REST then error("mcp-answers: " .. held.law.failed) end
    end
    local cut = is_cut(held) and held.law:stop(law.error(held.question, FORBIDDEN, CUT)) or ""
    held.told = held.cut and now
    pass(held, chunk, held.law:feed(chunk) .. (last and held.law:finish() or "") .. cut)
  elseif how == "json" or how == "error" then
    local out = held.law:feed(chunk)
    held.left = held.left and held.left - #chunk
    local whole = held.left == 0 and not last
    last = last or whole
    if out and last then
      local rest = how == "error" and refusal(held) or how == "json" and held.law:finish()
      out = rest and out .. rest
    end
    if not out then
      report(held)
      error("mcp-answers: " .. held.law.failed) -- nginx cuts the connection: half an answer must not look like one
    end
    pass(held, chunk, out)
    -- Head, body and end in one write: nginx tells of the end by itself in a second one. It runs no body filter after it.
    if whole then ngx.arg[2] = true end
  elseif held.cut then -- how long the server's own answer goes on is not waited for
    ngx.arg[1], held.told = held.text, ngx.now()
  else
    ngx.arg[1] = last and held.text or nil
  end
  if last or (held.law and held.law.failed) then report(held) end
end

function Answers:log(conf)
  local said = record.write(conf)
  if conf.collector then collector.tell(conf.collector, said) end
end

return Answers
