{#- Exact arithmetic. Nothing here makes a float: quotients come from integers, rounded once, half away from zero. -#}

{#- Integer quotient, truncated towards zero. Both operands are integers, the divisor is not 0. -#}
{% macro integer_quotient(dividend, divisor) -%}
    {{ return(adapter.dispatch('integer_quotient')(dividend, divisor)) }}
{%- endmacro %}
{% macro duckdb__integer_quotient(dividend, divisor) -%}(({{ dividend }}) // ({{ divisor }})){%- endmacro %}
{#- A dividend less its remainder divides evenly, so the scale Snowflake gives a quotient does not matter. -#}
{% macro default__integer_quotient(dividend, divisor) -%}
    ((({{ dividend }}) - mod({{ dividend }}, {{ divisor }})) / ({{ divisor }}))
{%- endmacro %}

{#- The widest exact integer. -#}
{% macro wide_integer() -%}{{ return(adapter.dispatch('wide_integer')()) }}{%- endmacro %}
{% macro duckdb__wide_integer() -%}hugeint{%- endmacro %}
{% macro default__wide_integer() -%}number(38, 0){%- endmacro %}

{#- Quotient of two integer expressions as an integer, rounded half away from zero; null where the divisor is 0
    or null. Doubling the remainder's complement, not the dividend, keeps every step within the operands' size. -#}
{% macro rounded_quotient(dividend, divisor) -%}
    {%- set n = 'abs(cast(' ~ dividend ~ ' as ' ~ wide_integer() ~ '))' -%}
    {%- set d = 'abs(cast(nullif(' ~ divisor ~ ', 0) as ' ~ wide_integer() ~ '))' -%}
    (
        ({{ integer_quotient(n, d) }} + case when mod({{ n }}, {{ d }}) >= {{ d }} - mod({{ n }}, {{ d }}) then 1 else 0 end)
        * case when ({{ dividend }} < 0) = ({{ divisor }} < 0) then 1 else -1 end
    )
{%- endmacro %}

{#- dividend / divisor, both integer expressions, as DECIMAL(18,9), rounded half away from zero; null where the
    divisor is 0 or null. `multiplier` (an integer literal) scales the dividend first. -#}
{% macro exact_ratio(dividend, divisor, multiplier=1) -%}
    {%- set scaled = 'cast(' ~ dividend ~ ' as ' ~ wide_integer() ~ ') * ' ~ (multiplier * 1000000000) -%}
    cast(
        cast({{ rounded_quotient('(' ~ scaled ~ ')', divisor) }} as decimal(38, 0))
        * cast(0.000000001 as decimal(10, 9)) as decimal(18, 9)
    )
{%- endmacro %}

{#- amount / count as DECIMAL(38,4): `amount` is DECIMAL(38,4), `count` an integer. -#}
{% macro exact_average(amount, count) -%}
    cast(
        cast({{ rounded_quotient('cast(' ~ amount ~ ' * 10000 as ' ~ wide_integer() ~ ')', count) }} as decimal(38, 0))
        * cast(0.0001 as decimal(5, 4)) as decimal(38, 4)
    )
{%- endmacro %}

{#- Whole microseconds from one timestamp to another. -#}
{% macro microseconds_between(begin, end) -%}{{ return(adapter.dispatch('microseconds_between')(begin, end)) }}{%- endmacro %}
{% macro duckdb__microseconds_between(begin, end) -%}(epoch_us({{ end }}) - epoch_us({{ begin }})){%- endmacro %}
{% macro default__microseconds_between(begin, end) -%}datediff(microsecond, {{ begin }}, {{ end }}){%- endmacro %}
