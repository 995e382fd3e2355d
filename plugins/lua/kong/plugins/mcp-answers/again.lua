-- A verdict used again: for the same caller, headers and message, but for the id and what a tool is called with, a second long.
-- It opens nothing that the guard did not open a moment ago for a request that differs in nothing which it looks at: all that
-- it was told is compared byte for byte, the id and the arguments are read by a grammar so small that every JSON reader reads
-- them alike, and the guard says by which files a verdict stands. Whatever is not so is asked. See spec/decisions/374.

local bodies = require "kong.plugins.mcp-answers.bodies"
local cjson = require "cjson.safe"
local ffi = require "ffi"
local law = require "kong.plugins.mcp-answers.law"

local C, ngx = ffi.C, ngx
local byte, find, gsub, sub, text_of = string.byte, string.find, string.gsub, string.sub, ffi.string
local insert, remove = table.insert, table.remove
local io, os, ipairs, pairs, setmetatable, tonumber, type = io, os, ipairs, pairs, setmetatable, tonumber, type

ffi.cdef "int memcmp(const void *one, const void *other, size_t size);"

local SECONDS = 1 -- a verdict's life
local LOOK = 0.02 -- seconds for which a file is taken for unchanged, as the guard does (mcp_kong.snapshots)
local MOST, MOST_SHAPES, MOST_IDS = 500, 4, 64 -- callers and headers, messages of each, bytes of an id
local MAX_BODY, MAX_HEADERS, MAX_SHAPE, DEPTH, MAX_DIGITS = 16384, 8192, 4096, 8, 15
local MOST_VALUES = 256 -- in the arguments: what is read here keeps all else of this worker waiting
-- The files by which a verdict stands, and where in them the sign of what they hold is (mcp_core.sealed_file).
local FILES = { s = "KONG_MCP_SNAPSHOT", r = "KONG_MCP_REVOKED", h = "KONG_MCP_HEALTH" }
local MAGIC, SIGN = 4, 8

local _M = {}

-- The grammar, over a body as nginx has it: bytes, and how many. Each function takes the place where something begins, and
-- returns the one behind it; nil where it is not plain: no printable ASCII, a number of 16 digits, an escape of a character, a
-- key twice.

local size, left -- of the body; and how many values may come yet

local function at_(bytes, at) return at < size and bytes[at] or -1 end

local function is(bytes, at, text) return at + #text <= size and C.memcmp(bytes + at, text, #text) == 0 end

local function blanks(bytes, at)
  while at_(bytes, at) == 32 do at = at + 1 end
  return at
end

local function digits(bytes, at)
  local c = at_(bytes, at)
  while c >= 48 and c <= 57 do
    at = at + 1
    c = at_(bytes, at)
  end
  return at
end

local ESCAPED = {}
for c in ('"\\/bfnrt'):gmatch "." do ESCAPED[byte(c)] = true end

local function text_at(bytes, at)
  at = at + 1
  while at < size do
    local c = bytes[at]
    if c == 34 then return at + 1 end
    if c < 32 or c > 126 then return nil end
    if c == 92 then
      at = at + 1
      if not ESCAPED[at_(bytes, at)] then return nil end
    end
    at = at + 1
  end
end

local function number_at(bytes, at)
  if at_(bytes, at) == 45 then at = at + 1 end
  local stop = digits(bytes, at)
  local many = stop - at
  if many < 1 or many > MAX_DIGITS or many > 1 and bytes[at] == 48 then return nil end
  if at_(bytes, stop) ~= 46 then return stop end
  local last = digits(bytes, stop + 1)
  many = last - stop - 1
  return many >= 1 and many <= MAX_DIGITS and last or nil
end

-- Behind a value that ends at `at`: the place where the next one begins; or that behind the bracket that ends all, and true.
local function behind(bytes, at, closing)
  at = blanks(bytes, at)
  local c = at_(bytes, at)
  if c == closing then return at + 1, true end
  if c == 44 then return blanks(bytes, at + 1), false end
end

local value_at

local function list_at(bytes, at, depth)
  at = blanks(bytes, at + 1)
  if at_(bytes, at) == 93 then return at + 1 end
  local ended
  repeat
    at = value_at(bytes, at, depth - 1)
    if at then at, ended = behind(bytes, at, 93) end
  until ended or not at
  return at
end

local function object_at(bytes, at, depth)
  at = blanks(bytes, at + 1)
  if at_(bytes, at) == 125 then return at + 1 end
  local seen, ended = {}, false
  repeat
    if at_(bytes, at) ~= 34 then return nil end
    local stop = text_at(bytes, at)
    local key = stop and text_of(bytes + at + 1, stop - at - 2)
    if not key or seen[key] or find(key, "\\", 1, true) then return nil end
    seen[key] = true
    at = blanks(bytes, stop)
    if at_(bytes, at) ~= 58 then return nil end
    at = value_at(bytes, blanks(bytes, at + 1), depth - 1)
    if at then at, ended = behind(bytes, at, 125) end
  until ended or not at
  return at
end

local WORDS = { [116] = "true", [102] = "false", [110] = "null" }

function value_at(bytes, at, depth)
  local c = at_(bytes, at)
  left = left - 1
  if left < 0 then return nil end
  if c == 34 then return text_at(bytes, at) end
  if c == 123 or c == 91 then
    if depth < 1 then return nil end
    return (c == 123 and object_at or list_at)(bytes, at, depth)
  end
  local word = WORDS[c]
  if word then return is(bytes, at, word) and at + #word or nil end
  return number_at(bytes, at)
end

local function id_at(bytes, at)
  local c = at_(bytes, at)
  if c == 34 then
    local stop = text_at(bytes, at)
    return stop and stop - at <= MOST_IDS and not find(text_of(bytes + at, stop - at), "\\", 1, true) and stop or nil
  end
  if c == 48 then return at + 1 end
  local from = c == 45 and at + 1 or at
  local stop = digits(bytes, from)
  return stop > from and stop - from <= MAX_DIGITS and bytes[from] ~= 48 and stop or nil
end

local function arguments_at(bytes, at)
  return at_(bytes, at) == 123 and object_at(bytes, at, DEPTH) or nil
end

local HOLES = { id = id_at, arguments = arguments_at }

-- A message that was decided over, as what stands around its holes: { text, name of the hole, text, name of the hole, text }.
-- Its arguments are an object; where it has none, or what stands around them is not plain, it is asked each time.
function _M.shape(body)
  local holes = #body <= MAX_BODY and law.places(body)
  if not holes then return nil end
  local first, second = holes.id, holes.arguments
  local shape = { false, "id", false, "arguments", false }
  if first[1] > second[1] then
    first, second, shape[2], shape[4] = second, first, "arguments", "id"
  end
  if #body - (first[2] - first[1]) - (second[2] - second[1]) > MAX_SHAPE then return nil end
  shape[1], shape[3], shape[5] = sub(body, 1, first[1] - 1), sub(body, first[2] + 1, second[1] - 1), sub(body, second[2] + 1)
  for place = 1, 5, 2 do
    if find(shape[place], "[^ -~]") then return nil end
  end
  return shape
end

-- The id of a message, as it is written, where it is the shape with something plain in each hole. A body is one JSON text if
-- what was decided over is, as each of two values has another value in its place.
function _M.id_of(shape, bytes, length)
  if length > MAX_BODY then return nil end
  local at, id = 0, nil
  size, left = length, MOST_VALUES
  for place = 1, 5, 2 do
    local text = shape[place]
    if not is(bytes, at, text) then return nil end
    at = at + #text
    local hole = shape[place + 1]
    if hole then
      local stop = HOLES[hole](bytes, at)
      if not stop then return nil end
      if hole == "id" then id = text_of(bytes + at, stop - at) end
      at = stop
    end
  end
  return at == size and id or nil
end

-- What the guard's files are now. A verdict stands as long as they are what it was made by.

local looked, signs, words = 0, {}, {}

-- The sign of a file, "-" where there is none; nil where nobody here can tell.
local function sign(letter)
  local path = os.getenv(FILES[letter] or "")
  if not path or path == "" then return nil end
  local file, _, code = io.open(path, "rb")
  if not file then return code == 2 and "-" or nil end
  local head = file:read(MAGIC + SIGN)
  file:close()
  return head and #head == MAGIC + SIGN and gsub(sub(head, MAGIC + 1), ".", function(c) return ("%02x"):format(byte(c)) end) or nil
end

local function stands(word)
  local now = ngx.now()
  if now < looked or now - looked >= LOOK then looked, signs, words = now, {}, {} end
  local known = words[word]
  if known ~= nil then return known end
  known = gsub(word, "%a=[^;]*;", "") == ""
  for letter, said in word:gmatch "(%a)=([^;]*);" do
    if signs[letter] == nil then signs[letter] = sign(letter) or false end
    known = known and signs[letter] == said
  end
  words[word] = known
  return known
end

-- What is kept: for each configuration of the guard, by the headers and by all else that it is told, messages and questions.
-- What came in this second and in the one before: what is older is of no use, and what a clock that went back left neither.

local function nothing() return setmetatable({}, { __mode = "k" }) end

local kept, before, count, turned = nothing(), nothing(), 0, 0

local function turn(now)
  local since = now - turned
  if since < 0 or since >= SECONDS then
    kept, before, count, turned = nothing(), since >= 0 and since < 2 * SECONDS and kept or nothing(), 0, now
  end
end

local function entries_in(where, conf, headers, told)
  local known = where[conf]
  known = known and known[headers]
  return known and known[told]
end

-- The question of a verdict, with the id of another message, as it is written: plain text, or a number.
local function with_id(question, id)
  local asked = {}
  for name, value in pairs(question) do asked[name] = value end
  asked.id = byte(id) == 34 and sub(id, 2, -2) or tonumber(id)
  return asked
end

-- Returns the question, decoded, that the guard asked when it let the same pass a moment ago, with this message's id in it.
function _M.question(conf, headers, told, bytes, length)
  local now = ngx.now()
  turn(now)
  local entries = entries_in(kept, conf, headers, told) or entries_in(before, conf, headers, told)
  for _, entry in ipairs(entries or {}) do
    local since = now - entry.at
    local id = since >= 0 and since < SECONDS and stands(entry.word) and _M.id_of(entry.shape, bytes, length)
    if id then return with_id(entry.question, id) end
  end
end

-- Whether a configuration has said a moment ago that a verdict of it may be used again.
function _M.knows(conf)
  turn(ngx.now())
  return kept[conf] ~= nil or before[conf] ~= nil
end

-- Returns the messages that are kept, and where there are none that there may be some: whatever is new is seen once before.
local function seen_before(conf, headers, told)
  local entries = entries_in(kept, conf, headers, told)
  if entries then return entries end
  if count >= MOST then kept, count = nothing(), 0 end
  entries = entries_in(before, conf, headers, told)
  local of_conf = kept[conf] or {}
  kept[conf] = of_conf
  of_conf[headers] = of_conf[headers] or {}
  of_conf[headers][told], count = entries or {}, count + 1
  return entries
end

-- Keeps what a verdict let pass, asked at `at` with the question `said`: once it was seen twice, as most requests are like no
-- other. Without `headers` nobody has looked yet what the request was.
function _M.keep(conf, headers, told, body, at, said)
  if type(said) ~= "string" or not find(said, '"again":', 1, true) then return end
  turn(ngx.now())
  kept[conf] = kept[conf] or {}
  local entries = headers and type(body) == "string" and #headers <= MAX_HEADERS and seen_before(conf, headers, told)
  if not entries then return end
  local question, shape = cjson.decode(said), _M.shape(body)
  local word, id = type(question) == "table" and question.again, shape and _M.id_of(shape, bodies.of(body))
  if type(word) ~= "string" or not id or with_id(question, id).id ~= question.id then return end
  for place = #entries, 1, -1 do -- the newest first, and each message once
    local known = entries[place].shape
    if known[1] == shape[1] and known[3] == shape[3] and known[5] == shape[5] then remove(entries, place) end
  end
  entries[MOST_SHAPES] = nil
  insert(entries, 1, { shape = shape, word = word, question = question, at = at })
end

return _M
