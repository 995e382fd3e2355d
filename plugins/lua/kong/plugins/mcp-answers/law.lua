-- The law that holds an answer to its question, for the call lane. mcp_core.answer is the same law in Python; the cases
-- of spec/answers.json hold both to it, and spec/decisions/100 says why each line is as it is.
-- Pure: no ngx, no kong. Bytes go in as they come, each is looked at once; what may pass comes out.

local cjson = require "cjson.safe"

local byte, find, sub, lower, match = string.byte, string.find, string.sub, string.lower, string.match
local concat, format, gsub, max, min, remove = table.concat, string.format, string.gsub, math.max, math.min, table.remove
local tonumber, type = tonumber, type

local _M = { MAX = 8 * 1024 * 1024, HELD = 256 * 1024, MAX_DEPTH = 256, MAX_KEYS = 1000, MAX_NOISE = 1000 }

-- A pure function of short texts that are mostly the same few, with what it said of them: of so many, and then of no more.
local MOST_REMEMBERED, LONGEST_REMEMBERED = 1000, 200

function _M.remember(of)
  local known, count = {}, 0
  return function(text)
    local said = known[text]
    if said == nil then
      said = of(text)
      if count < MOST_REMEMBERED and #text <= LONGEST_REMEMBERED then known[text], count = said, count + 1 end
    end
    return said
  end
end

local function set(names)
  local found = {}
  for name in names:gmatch("%S+") do found[name] = true end
  return found
end

local ENVELOPE = set "jsonrpc id method params result error"
local PROTOTYPES = set "__proto__ constructor prototype"
local CALLED = set [[tools/call prompts/get resources/read completion/complete ping logging/setLevel resources/subscribe
  resources/unsubscribe tasks/get tasks/result tasks/update tasks/cancel]]
-- The key by which another method's reader would know a result, and whose it is.
local RESULT_KEYS = { tools = "tools/list", prompts = "prompts/list", resources = "resources/list",
  resourcetemplates = "resources/templates/list", capabilities = "initialize", messages = "prompts/get",
  contents = "resources/read", completion = "completion/complete", tasks = "tasks/list", skills = "skills/list",
  skill = "skills/get" }
-- What a server may send on the answer to a POST: the letter of its kind, whether it wants an answer, whether the modern
-- era has it. Tasks are missing: their ids are sealed, so they take the inspect lane.
local SERVER_METHODS = {
  ["notifications/progress"] = { "p", false, true },
  ["notifications/message"] = { "l", false, true },
  ["notifications/tools/list_changed"] = { "c", false, false },
  ["notifications/prompts/list_changed"] = { "c", false, false },
  ["notifications/resources/list_changed"] = { "c", false, false },
  ["notifications/resources/updated"] = { "u", false, false },
  ["notifications/cancelled"] = { "x", false, false },
  ["ping"] = { "i", true, false },
  ["sampling/createMessage"] = { "s", true, false },
  ["elicitation/create"] = { "e", true, false },
  ["notifications/elicitation/complete"] = { "e", false, false },
  ["roots/list"] = { "r", true, false },
}

-- Structure of one JSON text -----------------------------------------------------------------------------------------
-- Brackets, strings and separators are read as every JSON reader reads them; what letters and digits say is not judged,
-- so that no text is read otherwise by a laxer reader: outside of strings nothing else may stand.

local VALUE, AFTER, KEY, COLON, FIRST_KEY, FIRST_VALUE, WORD = 1, 2, 3, 4, 5, 6, 7

local WORDS = {}
for c = 0, 255 do WORDS[c] = find(string.char(c), "[%w+%-.]") ~= nil end

local Scan = {}
Scan.__index = Scan

-- A scan may be used again for the next text: a fast stream must not make garbage of some tables for each event.
local function new_scan(scan)
  scan = scan or setmetatable({ objects = {}, keys = {}, members = {}, pool = {} }, Scan)
  scan.at, scan.depth, scan.state, scan.count, scan.used = 0, 0, VALUE, 0, 0
  scan.failed, scan.text, scan.escaped, scan.top = false, false, false, nil
  scan.keys[0], scan.keys[1], scan.keys[2] = nil, nil, nil
  return scan
end

local function new_key(scan, depth, to)
  local used = scan.used + 1
  local key = scan.pool[used] or {}
  scan.pool[used], scan.used, scan.keys[depth] = key, used, key
  key.key_from, key.key_to, key.of, key.from = scan.key_at, to, scan.keys[depth - 1], nil
end

-- A value begins or ends at an offset of the whole text. Only members of the envelope and of its members are kept.
local function begins(scan, depth, at)
  if depth == 0 then
    scan.top = at
  elseif scan.keys[depth] then
    scan.keys[depth].from = at
  end
end

local function ends(scan, depth, at)
  local key, count = scan.keys[depth], scan.count + 1
  if not key then return end
  if count > _M.MAX_KEYS then scan.failed = true end
  key.to, key.depth, scan.keys[depth] = at, depth, nil
  scan.members[count], scan.count = key, count
end

-- Where nothing is kept it touches no table: most of a large text lies deep.
function Scan:feed(piece)
  local n, i, base, objects = #piece, 1, self.at, self.objects
  local state, depth, text, escaped, failed = self.state, self.depth, self.text, self.escaped, self.failed
  local slash, quote = 0, 0 -- where the next of each stands: looked for once, not once a string or an escape
  while i <= n and not failed do
    if escaped then
      escaped, i = false, i + 1
      -- Where one escape is, there are more: these are stepped over one by one, as each search has its price.
      while i < n and byte(piece, i) == 92 do i = i + 2 end
    elseif text then
      if quote and quote < i then quote = find(piece, '"', i, true) end
      if slash and slash < i then slash = find(piece, "\\", i, true) end
      if slash and (not quote or slash < quote) then
        escaped, i = true, slash + 1
      elseif not quote then
        break
      else
        i, text = quote + 1, false
        if state ~= KEY then
          state = AFTER
          if depth <= 2 then ends(self, depth, base + quote) end
        else
          state = COLON
          if depth <= 2 then new_key(self, depth, base + quote - 1) end
        end
      end
    else
      local c = byte(piece, i)
      if state == WORD then
        while WORDS[c] do
          i = i + 1
          c = byte(piece, i)
        end
        if not c then break end
        state = AFTER
        if depth <= 2 then ends(self, depth, base + i - 1) end
      end
      if c == 34 then
        text = true
        if state == KEY or state == FIRST_KEY then
          state, self.key_at = KEY, base + i + 1
        elseif state == VALUE or state == FIRST_VALUE then
          state = VALUE
          if depth <= 2 then begins(self, depth, base + i) end
        else
          failed = true
        end
      elseif c == 44 then
        failed = state ~= AFTER or depth == 0
        state = objects[depth] and KEY or VALUE
      elseif c == 58 then
        failed, state = state ~= COLON, VALUE
      elseif c == 123 or c == 91 then
        failed = state ~= VALUE and state ~= FIRST_VALUE or depth >= _M.MAX_DEPTH
        if depth <= 2 then begins(self, depth, base + i) end
        depth = depth + 1
        objects[depth], state = c == 123, c == 123 and FIRST_KEY or FIRST_VALUE
      elseif c == 125 or c == 93 then
        failed = depth == 0 or objects[depth] ~= (c == 125) or state ~= AFTER and state ~= (c == 125 and FIRST_KEY or FIRST_VALUE)
        depth, state = depth - 1, AFTER
        if depth <= 2 and not failed then ends(self, depth, base + i) end
      elseif WORDS[c] then
        failed = state ~= VALUE and state ~= FIRST_VALUE
        state = WORD
        if depth <= 2 then begins(self, depth, base + i) end
      elseif c ~= 32 and c ~= 10 and c ~= 13 and c ~= 9 then
        failed = true
      end
      i = i + 1
    end
  end
  self.at, self.state, self.depth, self.text, self.escaped = base + n, state, depth, text, escaped
  self.failed = failed or self.failed
end

function Scan:whole()
  if self.state == WORD then
    self.state = AFTER
    if self.depth <= 2 then ends(self, self.depth, self.at) end
  end
  return not self.failed and self.depth == 0 and self.state == AFTER and not self.text
end

-- Values -------------------------------------------------------------------------------------------------------------

local function text_of(raw)
  if byte(raw, 1) ~= 34 then return nil end
  if not find(raw, "\\", 1, true) then return sub(raw, 2, -2) end
  local decoded = cjson.decode("[" .. raw .. "]")
  return decoded and decoded[1]
end

-- A string, or a number however it is written; nil for every other value.
local function id_of(raw)
  if byte(raw, 1) == 34 then return text_of(raw) end
  local digits, rest = match(raw, "^%-?(%d+)(.*)$")
  if not digits or (#digits > 1 and byte(digits, 1) == 48) then return nil end
  if rest == "" or match(rest, "^%.%d+$") or match(rest, "^[eE][+-]?%d+$") or match(rest, "^%.%d+[eE][+-]?%d+$") then
    return tonumber(raw)
  end
end

local function fold(key) return (lower(gsub(key, "[_%- ]", ""))) end

local function json(value)
  if type(value) == "number" then return format("%.0f", value) end
  return cjson.encode(value)
end

-- One text -----------------------------------------------------------------------------------------------------------

-- Whose result a key of it is: "" for nobody's, false where clients could read it differently.
local owner_of = _M.remember(function(key) return not find(key, "[^\32-\126]") and (RESULT_KEYS[fold(key)] or "") end)

local function misplaced(question, result)
  if not CALLED[question.method] then return nil end
  for key in pairs(result) do
    local owner = owner_of(key)
    if not owner then return "a result with a key that clients could read differently" end
    if owner ~= "" and owner ~= question.method then return "a result of another method than the one that was asked" end
  end
end

local function response(question, message, inner, text)
  local err, result = message.error, message.result
  if err == "null" then err = nil end
  if result == "null" then result = nil end
  if (err == nil) == (result == nil) or message.params then
    return "fail", "a response without exactly one of result and error"
  end
  if byte(err or result, 1) ~= 123 then return "fail", "a result or error that is no object" end
  local id = message.id
  -- The body of a 4xx or 5xx is about this request, whatever its id says.
  if err and (question.refused or ((id == nil or id == "null") and question.id ~= nil)) then
    local own = question.id ~= nil and '"id":' .. json(question.id) .. "," or ""
    return "answer", '{"jsonrpc":"2.0",' .. own .. '"error":' .. err .. "}"
  end
  id = id and id_of(id)
  if id == nil or id ~= question.id then return "fail", "a response to something that was not asked here" end
  local why = result and misplaced(question, inner.result)
  if why then return "fail", why end
  return "answer", text
end

local function told(question, message, inner)
  if message.result or message.error then return "fail", "a message that is a call and an answer" end
  local params = message.params
  if params == "null" then params = nil end
  local known = SERVER_METHODS[text_of(message.method) or 0]
  if not known or (params and byte(params, 1) ~= 123) or not find(question.kinds or "", known[1], 1, true)
    or (question.era ~= "legacy" and not known[3]) or (message.id ~= nil) ~= known[2]
    or (known[2] and id_of(message.id) == nil) then
    return "drop"
  end
  if known[1] == "p" then
    local token = params and inner.params.progressToken
    token = token and id_of(token)
    if token == nil or token ~= question.token then return "drop" end
  end
  return "pass"
end

-- A text is a string, or the list of its pieces: a large one is not put together to look at little of it.
local function cut(text, from, to)
  if type(text) == "string" then return sub(text, from, to) end
  local found, before = {}, 0
  for _, piece in ipairs(text) do
    if before >= to then break end
    if before + #piece >= from then found[#found + 1] = sub(piece, max(from - before, 1), to - before) end
    before = before + #piece
  end
  return concat(found)
end

local function has_brace(text)
  if type(text) == "string" then return find(text, "{", 1, true) end
  for _, piece in ipairs(text) do
    if find(piece, "{", 1, true) then return true end
  end
end

-- The key of a member, nil where it is none.
local function key_of(text, member)
  local raw = cut(text, member.key_from, member.key_to)
  if not find(raw, "\\", 1, true) then return raw end
  return text_of('"' .. raw .. '"')
end

-- Returns "pass", "answer" (a response, with its text), "drop", or "fail" with why.
local function judge(question, scan, text)
  if not scan:whole() then
    if not has_brace(text) then return "drop" end
    return "fail", "a text that is not one JSON message"
  end
  local first = byte(cut(text, scan.top, scan.top))
  if first == 91 and has_brace(text) then return "fail", "a batch, though none was asked" end
  if first ~= 123 then return "drop" end
  local message, inner, speaks = {}, {}, false
  for place = 1, scan.count do
    local member = scan.members[place]
    local key = key_of(text, member)
    if not key then return "fail", "a key that clients could read differently" end
    -- Of a long value its beginning is enough: no id, token or method that is known is so long, and of a result and of
    -- params it is only asked whether they are objects. An error may be handed on.
    local raw = cut(text, member.from, key == "error" and member.to or min(member.to, member.from + 4096))
    if member.depth == 2 then
      local outer = member.of and key_of(text, member.of)
      local known = inner[outer or 0] or {}
      -- A key that stands twice says nothing.
      known[key] = known[key] == nil and raw or "null"
      inner[outer or 0] = known
    elseif ENVELOPE[key] then
      if message[key] then return "fail", "a key of the envelope that stands twice" end
      message[key], speaks = raw, speaks or key ~= "jsonrpc"
    elseif find(key, "[^\32-\126]") then
      return "fail", "a key of the envelope that clients could read differently"
    elseif PROTOTYPES[key] or ENVELOPE[fold(key)] then
      return "fail", "a key that could be taken for one of the envelope"
    end
  end
  inner.result, inner.params = inner.result or {}, inner.params or {}
  if not speaks then return "drop" end
  if not message.jsonrpc or text_of(message.jsonrpc) ~= "2.0" then
    return "fail", "a message that is not JSON-RPC 2.0"
  end
  if message.method then return told(question, message, inner) end
  return response(question, message, inner, text)
end

-- What becomes of one whole text: "pass", "answer" with the text that goes on, "drop", or "fail" with why.
function _M.judge(question, text)
  local scan = new_scan()
  scan:feed(text)
  return judge(question, scan, text)
end

-- Where the id of a request and the arguments in its params stand, { id = { from, to }, arguments = { from, to } }: of one
-- JSON text without a key twice. nil where it has not both, in so many words.
function _M.places(text)
  local scan, found = new_scan(), {}
  scan:feed(text)
  if not scan:whole() then return nil end
  for place = 1, scan.count do
    local member = scan.members[place]
    local key, outer = sub(text, member.key_from, member.key_to), member.of
    if member.depth == 1 and key == "id" then found.id = { member.from, member.to } end
    if member.depth == 2 and key == "arguments" and outer and sub(text, outer.key_from, outer.key_to) == "params" then
      found.arguments = { member.from, member.to }
    end
  end
  return found.id and found.arguments and found or nil
end

function _M.error(question, code, message, data)
  local id = question.id ~= nil and format('"id":%s,', json(question.id)) or ""
  data = data and next(data) and ',"data":' .. cjson.encode(data) or ""
  return format('{"jsonrpc":"2.0",%s"error":{"code":%d,"message":%s%s}}', id, code, cjson.encode(message), data)
end

function _M.withheld(question, why)
  return _M.error(question, -32603, "The server's answer was withheld, because it is or holds " .. why
    .. ". The server's operator must look into it.")
end

-- A JSON body: held until it is whole and judged ------------------------------------------------------------------------
-- Of a large one only the end is held: without it the text is no JSON, so a client can do nothing with what has gone.

local Body = {}
Body.__index = Body
local SPARES = 16
local spares = {} -- scans of bodies that are judged: an answer must not make garbage of a table for each of its keys

function _M.body(question, max)
  local held = question.refused and _M.MAX or _M.HELD -- what refuses may be written anew
  return setmetatable({ question = question, max = max or _M.MAX, held = held, pieces = {}, sent = 0, size = 0,
    scan = new_scan(remove(spares)) }, Body)
end

function Body:rest()
  local from = self.sent + 1
  self.sent = #self.pieces
  return from == self.sent and self.pieces[from] or concat(self.pieces, "", from)
end

-- Returns what may pass already, or nil as soon as the body is larger than it may be.
function Body:feed(piece)
  self.size = self.size + #piece
  if self.size > self.max then
    self.pieces, self.failed = {}, "an answer that is too large"
    return nil
  end
  self.pieces[#self.pieces + 1] = piece
  self.scan:feed(piece)
  if self.size <= self.held or self.scan.depth == 0 or self.scan.failed then return "" end
  return self:rest()
end

-- Returns the rest, or what takes the answer's place; nil where part of it has gone, and the connection must be cut.
function Body:finish()
  local text = self.sent == 0 and concat(self.pieces) or self.pieces
  local verdict, said = judge(self.question, self.scan, text)
  if #spares < SPARES then spares[#spares + 1] = self.scan end
  self.scan = nil
  if verdict == "answer" and said == text then return self:rest() end
  if verdict == "answer" and self.sent == 0 then return said end
  self.failed = verdict == "fail" and said or verdict == "answer" and "an error that does not say whose it is, of that size"
    or "an answer that does not say what was asked"
  return self.sent == 0 and _M.withheld(self.question, self.failed) or nil
end

-- An event stream: each event is passed on when it is complete and judged -----------------------------------------------

local Stream = {}
Stream.__index = Stream

function _M.stream(question, max)
  return setmetatable({ question = question, max = max or _M.MAX, dropped = 0, noise = 0, line = {}, held = 0,
    start = "" }, Stream)
    :fresh()
end

function Stream:fresh()
  self.data, self.scan, self.event, self.id, self.retry, self.held = nil, nil, nil, nil, nil, 0
  return self
end

function Stream:fail(why)
  self.failed, self.done, self.data, self.scan, self.line = why, true, nil, nil, {}
  return "data: " .. _M.withheld(self.question, why) .. "\n\n"
end

-- End the stream with an error of the gateway's as its last event, unless it was answered.
function Stream:stop(text)
  if self.done then return "" end
  self.done, self.data, self.scan, self.line = true, nil, nil, {}
  return "data: " .. text .. "\n\n"
end

local function odd(value) -- what ends a line for some reader
  return find(value, "[%z\11\12\28-\30]") or find(value, "\194\133", 1, true) or find(value, "\226\128[\168\169]")
end

local ENDS = { "\0", "\11", "\12", "\28", "\29", "\30" }

-- Plain searches, one by one: LuaJIT compiles them, and no pattern.
local function is_one_line(text)
  return not (find(text, "\n", 1, true) or find(text, "\r", 1, true) or find(text, "\194\133", 1, true)
    or find(text, "\226\128", 1, true) or find(text, "\0", 1, true) or find(text, "\11", 1, true)
    or find(text, "\12", 1, true) or find(text, "\28", 1, true) or find(text, "\29", 1, true) or find(text, "\30", 1, true))
end

local function one_line(text)
  if is_one_line(text) then return text end
  for _, char in ipairs(ENDS) do
    if find(text, char, 1, true) then text = gsub(text, char == "\0" and "%z" or char, format("\\u%04x", byte(char))) end
  end
  text = gsub(text, "[\n\r]", " ")
  if find(text, "\194\133", 1, true) then text = gsub(text, "\194\133", "\\u0085") end
  if find(text, "\226\128", 1, true) then text = gsub(gsub(text, "\226\128\168", "\\u2028"), "\226\128\169", "\\u2029") end
  return text
end

function Stream:write(event, id, retry, data)
  return (event and "event: " .. event .. "\n" or "") .. (id and "id: " .. id .. "\n" or "")
    .. (retry and "retry: " .. retry .. "\n" or "") .. (data and "data: " .. data .. "\n" or "") .. "\n"
end

function Stream:dispatch()
  local pieces, scan, event, id, retry = self.data, self.scan, self.event, self.id, self.retry
  self:fresh()
  if not (pieces or event or id or retry) then return "" end
  self.resumable = self.resumable or id ~= nil or retry ~= nil
  local text = pieces and concat(pieces)
  if not text or text == "" then return self:write(event, id, retry, text) end
  local verdict, said = judge(self.question, scan, text)
  if verdict == "answer" then
    self.done, self.answered = true, true
    return self:write(event, id, retry, one_line(said))
  elseif verdict == "pass" then
    return self:write(event, id, retry, one_line(text))
  elseif verdict == "fail" and (event == nil or event == "" or event == "message") then
    return self:fail(said)
  end
  self.dropped, self.noise = self.dropped + 1, self.noise + 1
  -- What is no message is no event; its id still says how far the stream has come.
  return verdict == "drop" and id and self:write(nil, id, retry) or ""
end

function Stream:take(line)
  if line == "" then return self:dispatch() end
  if byte(line, 1) == 58 then
    self.noise = self.noise + 1 / 8
    return ":\n\n"
  end
  local colon = find(line, ":", 1, true) or #line + 1
  local name, value = sub(line, 1, colon - 1), sub(line, byte(line, colon + 1) == 32 and colon + 2 or colon + 1)
  if name == "data" then
    self:more(value, true)
  elseif name == "event" and not odd(value) then
    self.event = value
  elseif name == "id" and not odd(value) then
    self.id = value
  elseif name == "retry" and find(value, "^%d+$") then
    self.retry = value
  end
  return ""
end

-- Data that is one line of an event, or more of that line.
function Stream:more(value, begins)
  if not self.data then
    self.data, self.scan = {}, new_scan(self.spare)
    self.spare = self.scan
  elseif begins then
    value = "\n" .. value
  end
  self.data[#self.data + 1] = value
  self.scan:feed(value)
end

-- Take the next bytes and return what may pass of what they complete. Nothing else runs meanwhile, so that a stream may
-- hold only so much noise at once: whoever calls this sets `noise` to 0 once others had their turn.
function Stream:feed(chunk)
  if self.done then return "" end
  if self.start then -- a byte order mark may begin the stream, and come in pieces
    chunk = self.start .. chunk
    if #chunk < 3 and sub("\239\187\191", 1, #chunk) == chunk then
      self.start = chunk
      return ""
    end
    self.start, chunk = nil, sub(chunk, 1, 3) == "\239\187\191" and sub(chunk, 4) or chunk
  end
  local at, n, out, lf, cr = 1, #chunk, {}, 0, 0
  if self.skip_lf and n > 0 then
    self.skip_lf, at = false, byte(chunk, 1) == 10 and 2 or 1
  end
  while at <= n and not self.done do
    if self.noise > _M.MAX_NOISE then
      out[#out + 1] = self:fail("so much at once that is no message")
      break
    end
    if lf and lf < at then lf = find(chunk, "\n", at, true) end
    if cr and cr < at then cr = find(chunk, "\r", at, true) end
    local stop = lf and cr and (lf < cr and lf or cr) or lf or cr
    local part = sub(chunk, at, stop and stop - 1 or n)
    self.held = self.held + #part
    if self.held > self.max then
      out[#out + 1] = self:fail("an event that is too large")
    elseif not stop then
      self:part(part)
      break
    else
      local piece = self:line_of(part)
      if piece ~= "" and (piece ~= ":\n\n" or out[#out] ~= piece) then out[#out + 1] = piece end
      if stop == cr then
        if stop == n then self.skip_lf = true elseif byte(chunk, stop + 1) == 10 then stop = stop + 1 end
      end
      at = stop + 1
    end
  end
  -- A dribble: each call has its price, and a server that makes an event of such pieces as fast as it can has no end.
  if not out[1] and n < 512 then self.noise = self.noise + 2 end
  return concat(out)
end

-- An unfinished line: what surely is data is read at once, so that no long line is read at its end.
function Stream:part(part)
  local line = self.line
  if self.in_data then return self:more(part) end
  line[#line + 1] = part
  if #part + (line.size or 0) < 6 then
    line.size = #part + (line.size or 0)
    return
  end
  local text = concat(line)
  self.line = { text, size = #text }
  if sub(text, 1, 5) == "data:" then
    self.line, self.in_data = {}, true
    self:more(sub(text, byte(text, 6) == 32 and 7 or 6), true)
  end
end

function Stream:line_of(part)
  if self.in_data then
    self.in_data = false
    self:more(part)
    return ""
  end
  if self.line[1] then
    self.line[#self.line + 1] = part
    part, self.line = concat(self.line), {}
  end
  return self:take(part)
end

-- The server has ended the stream: the last event may lack its blank line, and an agent never gets silence.
function Stream:finish()
  if self.done then return "" end
  local pending = self.in_data or self.line[1]
  local out = pending and "" or self:dispatch()
  if self.done or (self.question.era == "legacy" and self.resumable) then return out end
  return out .. self:fail("a stream that ended without the answer")
end

return _M
