-- MessagePack as far as mcp_core.auth.revoked writes it: maps with texts as keys, lists, texts, bytes and whole numbers from 0 on.
-- Kong brings a library for it that not every build of Kong has.

local bit = require "bit"

local band, byte, sub = bit.band, string.byte, string.sub

local MOST_DEPTH = 8
local value -- of a text from one place on: the value, and the place behind it

-- A number of so many bytes, the highest first.
local function number(text, at, bytes)
  local found = 0
  for i = at, at + bytes - 1 do found = found * 256 + (byte(text, i) or error("cut")) end
  return found, at + bytes
end

local function bytes(text, at, size)
  if at + size - 1 > #text then error("cut") end
  return sub(text, at, at + size - 1), at + size
end

local function list(text, at, size, depth)
  local found = {}
  for i = 1, size do found[i], at = value(text, at, depth + 1) end
  return found, at
end

local function map(text, at, size, depth)
  local found, name = {}, nil
  for _ = 1, size do
    name, at = value(text, at, depth + 1)
    if type(name) ~= "string" then error("a key that is no text") end
    found[name], at = value(text, at, depth + 1)
  end
  return found, at
end

-- By the first byte: what reads it, and in how many bytes its size stands.
local SIZED = { [0xc4] = { bytes, 1 }, [0xc5] = { bytes, 2 }, [0xc6] = { bytes, 4 }, [0xd9] = { bytes, 1 }, [0xda] = { bytes, 2 },
  [0xdb] = { bytes, 4 }, [0xdc] = { list, 2 }, [0xdd] = { list, 4 }, [0xde] = { map, 2 }, [0xdf] = { map, 4 } }

function value(text, at, depth)
  local kind = byte(text, at) or error("cut")
  at = at + 1
  if depth > MOST_DEPTH then error("too deep") end
  if kind < 0x80 then return kind, at end
  if kind < 0x90 then return map(text, at, band(kind, 15), depth) end
  if kind < 0xa0 then return list(text, at, band(kind, 15), depth) end
  if kind < 0xc0 then return bytes(text, at, band(kind, 31)) end
  if kind >= 0xcc and kind <= 0xcf then return number(text, at, 2 ^ (kind - 0xcc)) end
  local how = SIZED[kind] or error("of another kind")
  local size
  size, at = number(text, at, how[2])
  return how[1](text, at, size, depth)
end

-- Returns the value of a text, or nil where it is anything else.
return function(text)
  local ok, found, at = pcall(value, text, 1, 1)
  return ok and at == #text + 1 and found or nil
end
