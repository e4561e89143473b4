-- wrk: POST the body in the file named by BENCH_BODY; print one line of JSON at the end.
local file = io.open(os.getenv("BENCH_BODY"), "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
file:close()

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"answers":%d,"seconds":%.6f,"errors":%d,"p50_us":%.1f,"p99_us":%.1f}\n', summary.requests,
    summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
