-- Looks a thousand times a second of the processor what nginx's Lua is at, for profile.py: how often each stack was seen, in
-- the file `samples` of Kong's prefix. What nginx does beside Lua counts for the Lua that runs next.

local profile = require "jit.profile"

local Sampler = { PRIORITY = 1, VERSION = "1.0.0" }

function Sampler:init_worker()
  if ngx.worker.id() ~= 0 then return end
  local path, seen = kong.configuration.prefix .. "/samples", {}
  profile.start("fi1", function(thread, samples, state)
    local stack = profile.dumpstack(thread, "pF;", -100) .. state
    seen[stack] = (seen[stack] or 0) + samples
  end)
  ngx.timer.every(0.25, function()
    local file = assert(io.open(path .. ".new", "w"))
    for stack, count in pairs(seen) do file:write(count, " ", stack, "\n") end
    file:close()
    os.rename(path .. ".new", path)
  end)
end

return Sampler
