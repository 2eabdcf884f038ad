-- Run once, when the volume is new: Airflow's role and database. The superuser is nobody's but the server's.
\getenv password METADATA_PASSWORD
CREATE ROLE airflow LOGIN PASSWORD :'password';
CREATE DATABASE airflow OWNER airflow;
REVOKE ALL ON DATABASE airflow FROM PUBLIC;
