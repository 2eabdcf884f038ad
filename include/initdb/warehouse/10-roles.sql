-- Run once, when the volume is new: the warehouse and its three roles. The owner makes tables, the loader writes rows (and
-- needs temporary tables for that), the reader reads; what each may do with a table is granted where the table is made.
\getenv owner_password WAREHOUSE_OWNER_PASSWORD
\getenv loader_password WAREHOUSE_LOADER_PASSWORD
\getenv reader_password WAREHOUSE_READER_PASSWORD
CREATE ROLE energy_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE energy_loader LOGIN PASSWORD :'loader_password';
CREATE ROLE energy_reader LOGIN PASSWORD :'reader_password';
CREATE DATABASE warehouse OWNER energy_owner;
REVOKE ALL ON DATABASE warehouse FROM PUBLIC;
GRANT CONNECT, TEMPORARY ON DATABASE warehouse TO energy_loader;
GRANT CONNECT ON DATABASE warehouse TO energy_reader;
