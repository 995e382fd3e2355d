-- mcp-guard by the short way: the same plugin server, the same instance of the same plugin, asked in one frame.
-- Kong asks in several: an event, and then a call for all that the plugin reads or changes, each encoded and decoded here.
-- This file stands in a folder of its own: Kong loads it, in place of what it makes of pluginserver_names itself, where
-- lua_package_path names that folder. What it cannot carry takes Kong's own way. It decides nothing: a request goes on
-- only by a verdict that says so, its own or that of the same call a moment ago (again.lua), and whatever else happens ends
-- it. See spec/decisions/295.

local asked = require "kong.plugins.mcp-answers.asked"
local cjson = require "cjson.safe"
local lpack = require "lua_pack"
local servers = require "kong.runloop.plugin_servers"

local kong, ngx = kong, ngx
local concat, unpack = table.concat, unpack

local NAME, PHASE, FORMAT = "mcp-guard", "access", 1
local HEADERS_KEY = "mcp_request_1" -- by it mcp-answers gives the request's headers, and so says that it is there
local REQUEST_KEY = asked.ASKED_KEY -- by it the plugin server asks for them; without a body behind them it asks for that too
local CONNECT, SEND, READ = 1000, 5000, 10000 -- ms; the plugin server's own deadline for an event is 5 s
local MOST = 8388608 -- bytes of a verdict

local found, external = servers.load_plugin(NAME)
assert(found, "the short way is another way to the plugin server: leave mcp-guard in pluginserver_names")

local Guard = { PRIORITY = external.PRIORITY, VERSION = "0.2.0" }

-- What the plugin reads of a request, in the order of `asked.told`, as kong_pluginserver.whole takes it: by name, as text (t) or
-- JSON (j), and last the body (b), the file that it is in (f), or why there is none (e).
local MARK, SIZES = "\0KW2", "IIIIIIIII"
local READS = concat({ PHASE, "t kong.request.get_method", "t kong.request.get_path", "t kong.request.get_raw_query",
  "t kong.client.get_forwarded_ip", "t kong.nginx.get_var ssl_client_raw_cert", "j kong.client.get_consumer",
  "j kong.router.get_route", "t kong.ctx.shared.get " .. REQUEST_KEY, "" }, "\n")
local NAMES = {}
for kind in ("bfe"):gmatch "." do NAMES[kind] = lpack.pack("I", #READS + 1) .. READS .. kind end

local function body()
  local content, why = asked.body()
  if type(content) == "string" then return "b", content end
  local file = ngx.req.get_body_file()
  if file then return "f", file end
  return "e", why or "no body can be read"
end

-- Returns the verdict to the call of this number; or nil, why there is none, and whether the connection may have been closed
-- before it was asked. A connection is kept only where what came by it was one.
local function exchange(frame, number)
  local socket = ngx.socket.tcp()
  socket:settimeouts(CONNECT, SEND, READ)
  local ok, err = socket:connect("unix:" .. external.server_def.socket)
  if not ok then return nil, err end
  local kept = socket:getreusedtimes() > 0
  ok, err = socket:send(frame)
  local head, said
  if ok then head, err = socket:receive(4) end
  if head then
    local _, size = lpack.unpack(head, "I")
    if size > MOST then err = "a verdict of " .. size .. " bytes" else said, err = socket:receive(size) end
  end
  local verdict = said and cjson.decode(said)
  if type(verdict) == "table" and verdict.format == FORMAT and verdict.sequence == number then
    socket:setkeepalive()
    return verdict
  end
  socket:close()
  return nil, err or "no verdict, but something else", kept and not head and err == "closed"
end

local sequence = 0

-- Returns the verdict, or nil and why there is none. Nothing is put together here: the socket takes the pieces.
local function ask(instance, names, values)
  sequence = sequence % 2147483647 + 1
  local number, size, sizes = sequence, 12 + #names, {}
  for place, value in ipairs(values) do
    sizes[place], size = #value, size + 4 + #value
  end
  local frame = { lpack.pack("IAII", size, MARK, number, instance), names, lpack.pack(SIZES, unpack(sizes)), unpack(values) }
  local verdict, err, closed = exchange(frame, number)
  if closed then verdict, err = exchange(frame, number) end -- one that was kept too long; a new one is asked but once
  return verdict, err
end

-- All that a verdict may change.
local STEPS = {
  ["kong.ctx.shared.set"] = function(key, value) kong.ctx.shared[key] = value end,
  ["kong.log.set_serialize_value"] = function(...) return kong.log.set_serialize_value(...) end,
  ["kong.service.request.set_headers"] = function(...) return kong.service.request.set_headers(...) end,
  ["kong.service.request.set_path"] = function(...) return kong.service.request.set_path(...) end,
  ["kong.service.request.set_raw_body"] = function(...) return kong.service.request.set_raw_body(...) end,
  ["kong.service.request.set_raw_query"] = function(...) return kong.service.request.set_raw_query(...) end,
  ["kong.service.request.set_scheme"] = function(...) return kong.service.request.set_scheme(...) end,
  ["kong.service.set_upstream"] = function(name)
    local ok, err = kong.service.set_upstream(name)
    if not ok then kong.log.err(err) end -- and the service stays closed
  end,
}

-- Whether all of a verdict is understood: nothing of one is done that is not.
local function is_understood(verdict)
  if type(verdict["do"]) ~= "table" then return false end
  for _, step in ipairs(verdict["do"]) do
    if type(step) ~= "table" or not STEPS[step[1]] then return false end
  end
  local exit = verdict.exit
  return exit == nil or (type(exit) == "table" and type(exit[1]) == "number" and type(exit[2]) == "string" and type(exit[3]) == "table")
end

local function refuse(why)
  kong.log.err("mcp-guard gave no verdict, so the request goes no further: ", why)
  return kong.response.error(500) -- as Kong answers where its own way ends so
end

function Guard:access(conf)
  local question, values = asked.used_again(conf)
  if question then
    kong.ctx.shared.mcp_question = question
    return
  end
  values = values or asked.told()
  local kind, content = body()
  local headers = kong.ctx.shared[HEADERS_KEY]
  if type(headers) ~= "string" then return external:access(conf) end -- without mcp-answers nothing is held to its question here
  local names = NAMES[kind]
  values[#values + 1], values[#values + 2] = headers, content
  local callbacks = external.instance_callbacks
  local verdict, err
  for _ = 1, 2 do
    local instance, none = callbacks.get_instance_id(external, conf)
    if not instance then return refuse(none) end
    verdict, err = ask(instance, names, values)
    if not verdict or verdict.ask ~= "start" then break end
    callbacks.reset_instance(NAME, conf) -- the plugin server was started anew
  end
  if not verdict then return refuse(err) end
  if verdict.ask == "long" then return external:access(conf) end
  if verdict.ask ~= nil or not is_understood(verdict) then return refuse("a verdict that is not understood") end
  for _, step in ipairs(verdict["do"]) do STEPS[step[1]](unpack(step, 2)) end
  if #verdict["do"] ~= 1 then asked.forget() end -- one that does more than ask a question is for this request alone
  if verdict.exit then return kong.response.exit(verdict.exit[1], verdict.exit[2], verdict.exit[3]) end
end

return Guard
