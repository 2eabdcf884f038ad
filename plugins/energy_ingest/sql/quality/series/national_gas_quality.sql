SELECT site_id::text AS subject, published_at::date AS day,
       (extract(epoch FROM published_at - date_trunc('day', published_at)) / 60)::integer AS item, published_at AS at,
       cv_mj_per_m3 AS value, job_id
FROM energy.gas_quality
WHERE published_at >= {since}::date::timestamptz AND published_at < ({until}::date + 1)::timestamptz
