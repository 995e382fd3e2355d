-- Tells the sidecar's collector of each request to an MCP server: one lean record, by Kong's own queue, which makes batches,
-- keeps what the collector does not take, within bounds, and says what it lost. A record has those members of Kong's own
-- (kong.log.serialize) that mcp_core.telemetry.visit reads: no header, no URI, no query, no route, no credential.
-- See spec/decisions/323.

local cjson = require "cjson.safe"
local http = require "resty.http"
local Queue = require "kong.tools.queue"

local kong, ngx = kong, ngx
local concat = table.concat
local floor, sub = math.floor, string.sub

local NAME = "mcp-collector"
local KEPT = 60000 -- ms that a connection without work stays open
local MOST_SAID = 200 -- bytes of an answer that Kong's log gets

local _M = {}

-- Whether agents' requests to a service are told of: the sidecar's own way in is not theirs.
local function is_server(service)
  local name = service and service.name
  return type(name) == "string" and sub(name, 1, 4) == "mcp-" and sub(name, 1, 12) ~= "mcp-internal"
end

-- What a plugin set for Kong's own record (kong/pdk/log.lua, Kong 3.9). Of a name that was set twice the last value counts.
local function set_by_others(name)
  local values = ngx.ctx.serialize_values
  for i = values and #values or 0, 1, -1 do
    if values[i].key == name then return values[i].value end
  end
end

local function record(service, said)
  local ctx, var = ngx.ctx, ngx.var
  said = said or set_by_others("mcp")
  local consumer = not said and kong.client.get_consumer() -- the guard says whom it took the caller for
  local balancer, trace = ctx.balancer_data, set_by_others("trace_id")
  return cjson.encode {
    mcp = said,
    service = { name = service.name },
    request = { id = var.kong_request_id, size = tonumber(var.request_length) },
    response = { status = ngx.status, size = tonumber(var.bytes_sent) },
    latencies = { request = floor(tonumber(var.request_time) * 1000 + 0.5), proxy = ctx.KONG_WAITING_TIME or -1 },
    tries = balancer and balancer.tries and #balancer.tries or nil,
    started_at = kong.request.get_start_time(),
    source = kong.response.get_source() == "service" and "upstream" or "kong",
    client_ip = var.remote_addr,
    consumer = consumer and { username = consumer.username } or nil,
    trace_id = type(trace) == "table" and { w3c = trace.w3c } or nil,
  }
end

-- Sends a batch at once. Returns true, or nil and why Kong's queue shall send it again.
local function send(conf, records)
  local client = http.new()
  client:set_timeout(conf.timeout)
  local answer, err = client:request_uri(conf.http_endpoint, {
    method = "POST",
    headers = { ["Content-Type"] = "application/json", Authorization = "Bearer " .. conf.token },
    body = "[" .. concat(records, ",") .. "]",
    keepalive_timeout = KEPT,
  })
  if not answer then return nil, "the collector cannot be asked: " .. tostring(err) end
  if answer.status < 300 then return true end
  return nil, "the collector answered " .. answer.status .. ": " .. sub(answer.body or "", 1, MOST_SAID)
end

local queues = setmetatable({}, { __mode = "k" }) -- what Kong's queue is told, by configuration

local function queue_of(conf)
  local found = queues[conf]
  if not found then
    found = Queue.get_plugin_params("mcp-answers", conf, NAME)
    queues[conf] = found
  end
  return found
end

-- Tells of the request that ends now. `said` is its record as mcp-answers has it; else what the guard left is told.
function _M.tell(conf, said)
  local service = kong.router.get_service()
  if not is_server(service) then return end
  local text, err = record(service, said)
  local ok = text and true
  if ok then ok, err = Queue.enqueue(queue_of(conf), send, conf, text) end
  if not ok then kong.log.err("the collector will not hear of a request: ", err) end
end

return _M
