-- Spends on several limits at once, or on none (generic cell rate algorithm: one time stamp a limit).
--   KEYS  the limits
--   ARGV  for each: window in microseconds, interval in microseconds, cost
-- Returns index of the tightest, 1 when allowed, remaining, microseconds to the full quota, microseconds to wait.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local after = {}
local tightest, allowed, remaining, reset, wait = 1, 1, nil, 0, 0
for i, key in ipairs(KEYS) do
  local window, interval, cost = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local before = math.max(now, tonumber(redis.call('GET', key) or now))
  local over = before + math.max(cost, 1) * interval - window - now
  after[i] = before + cost * interval
  if over > 0 then
    if over > wait then
      tightest, remaining, reset, wait = i, 0, before - now, over
    end
    allowed = 0
  elseif allowed == 1 then
    local left = math.floor((window - (after[i] - now)) / interval)
    if remaining == nil or left < remaining then
      tightest, remaining, reset = i, left, after[i] - now
    end
  end
end
if allowed == 1 then
  for i, key in ipairs(KEYS) do
    if tonumber(ARGV[3 * i]) > 0 then
      redis.call('SET', key, string.format('%.0f', after[i]), 'PX', math.ceil((after[i] - now) / 1000))
    end
  end
end
return {tightest, allowed, remaining, math.ceil(reset), math.ceil(wait)}
